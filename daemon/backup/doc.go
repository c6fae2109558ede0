// Package backup owns snapshot files of the store: it takes them from a running
// etcd, checks them, and makes the data directory of an embedded member from
// them. It knows no key: what a restored store needs before it may serve is
// etcdstore's, and is called between the two.
//
// A file or a directory is there whole or not at all: both are made beside their
// place, synced, and renamed.
package backup
