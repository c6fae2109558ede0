// Package process runs containers as processes of this machine.
//
// A container is a command in a session of its own, with the limits of its
// request for CPU and memory where the kernel lets the agent set them (cgroup v1
// or v2; Runtime.Enforces says which hold), its own environment, directory and
// user, and its output in capped, rotated files. Each has a supervisor, a shim
// (package shim), which outlives the agent: it keeps the output, ends the whole
// tree at the lease's deadline, and records the exit when nothing is left, so that
// an end means just that (invariant 8, and: two containers of one request never
// run at the same instant).
//
// What is kept of an attempt is a directory of the state directory,
// containers/REQUEST.ATTEMPT. Making it is the start's exclusive record. Whoever
// finds one knows how the attempt stands: its lock is held (a shim lives), or it
// has an exit (it has ended), or neither: its shim was killed, or none was ever
// told of it. Then all that is left of it is killed, and it may have run. So it is, too,
// where the record of the start is missing or damaged, though its lock be held.
//
// It never talks to etcd, and judges neither capacity nor leases: deadlines come
// with the start and with Runtime.Renew.
package process
