// Package bench measures Berth against the limit of its own store, for berth
// bench: placements by the real daemon, and etcd's rate for the very same writes
// with no scheduler in the way (the floor), in alternation on fresh stores.
//
// It exists because a rate by itself says nothing: it is another one on each
// machine, in each hour. What a scheduler owes is a share of what its store can do
// there and then. So the floor is not a model of the writes: it is made from the
// transactions that the daemon sends, seen on their way into etcd, and follows when
// they change.
//
// It owns no key and decides nothing. It makes and ends what it measures by the
// ways that users have, but for workers without an agent, what a store holds before
// a measurement, and its release after one: these it writes as plans, which the
// store checks. Of keys it knows what docs/keyspace.md says. fsync is always on.
// Every round ends with the check of all invariants.
package bench
