// Package integration tests and measures Berth whole, on a real embedded etcd
// with fsync. It owns no code that the product uses.
package integration
