// Package daemon is the scheduler's process: it follows the store into a view,
// decides with package scheduler, and commits with package etcdstore.
//
// One goroutine, the loop, owns the view and everything derived from it; others
// hand it calls. While one transaction is in flight the next is gathered, so a
// burst of submissions costs a few durable writes. All of its memory can be
// rebuilt from etcd; killed at any instant, the next start goes on.
//
// It keeps invariants 1 to 5 and 8 of docs/design.md by never writing but
// through a transaction that compares what the decision was made from. It never
// judges capacity itself (package scheduler does) and never makes a key
// (package etcdstore does).
package daemon
