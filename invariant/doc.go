// Package invariant checks a store against the eight invariants of
// docs/design.md: at one revision (CheckStore), or at every revision as it
// happens (WatchStore). `berth fsck` and the integration tests are its users.
//
// It is written from docs/keyspace.md alone and imports nothing of Berth: keys,
// records, arithmetic and rules are its own, so that an error of the
// implementation cannot hide in the check. It only reads.
//
// A violation names its clause ("2.1"); docs/keyspace.md lists them all.
// Clauses 0.x are about the form of keys and values. A record that cannot be
// read is reported once, under 0.x, and is left out of every other check.
package invariant
