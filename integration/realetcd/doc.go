// Package realetcd runs clusters of real etcd members for tests: etcd's own
// program, a process each, that can be killed, stopped (SIGSTOP) and started
// again over its data. It knows nothing of Berth, and is imported by tests only.
package realetcd
