// Package memetcd is an etcd in memory: multi-version keys, transactions, leases,
// watches, compaction and limits as etcd 3.7 has them, for tests that decide
// themselves when a request is applied, answered or lost.
//
// Store is a state machine: a request of etcd's protocol in, its answer out. It
// has no goroutine, lock, clock or randomness; who drives it says what time it
// is. NewClient puts a real *clientv3.Client on whatever carries requests to it
// (Conn), so that code written for etcd runs on it unchanged. Direct is the
// simplest carrier.
//
// It knows nothing of Berth. That it answers as etcd does is held by a
// differential test against an embedded etcd.
package memetcd
