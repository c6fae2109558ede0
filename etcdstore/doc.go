// Package etcdstore is the only place that knows keys, encodings, transactions,
// leases and watches. Every change of the store is one transaction that
// compares the ModRevision of all it was made from (invariants 1 to 5 and 8 of
// docs/design.md). It never judges what fits.
package etcdstore
