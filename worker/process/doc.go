// Package process runs containers as processes of this machine.
//
// A container is a command in a session of its own, with the limits of its
// request for CPU and memory where the kernel lets the agent set them (cgroup v1
// or v2; Runtime.Enforces says which hold), its own environment, directory and
// user, and its output in capped, rotated files. All that it forked ends with
// it: when its first process has ended, the rest is killed before the end is
// reported, so that an end means that nothing is left (invariant 8, and: two
// containers of one request never run at the same instant).
//
// Containers end with their agent. The kernel kills the first process of each
// with the thread that forked it; a guard, one small process beside the agent,
// kills the rest, and all of them at the lease's deadline when the agent is
// stopped; and what is left all the same is killed before the agent
// registers again (Runtime.Leftovers).
//
// It never talks to etcd, and judges neither capacity nor leases: the check of
// the deadline comes with the start.
package process
