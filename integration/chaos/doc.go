// Package chaos is a test: real etcd members, daemons and agents on machines of
// their own (network namespaces), real containers under a steady load, and a
// driver that kills, stops and cuts off what a seed chooses. Afterwards four
// accounts must agree: what a client had acknowledged, the archive as it was
// followed from its first revision, the containers' own traces, and `berth fsck
// --watch` at every member. `make chaos MINUTES=n SEED=s` runs it as long as
// asked; the tests run a short one.
package chaos
