// Package shim supervises one container, and outlives the agent that started it.
//
// A shim may be forked before there is anything to run (Idle): then it waits, with all
// made that is the same for any container, and is given the container's directory and
// lock with its charge.
//
// It owns the process berth-shim (Main), the files of a container's directory,
// and the words that agent and shim speak. A shim arms its kill timer before
// anything runs, looks at the deadline itself just before it forks, and ends the
// container's whole tree when the deadline has passed by CLOCK_BOOTTIME, whatever
// has become of the agent. It keeps the output, and records the exit only when
// nothing of the container is left (invariant 8, and: two containers of one
// request never run at the same instant).
//
// Every process of a container descends from its shim, which is a subreaper: a
// daemon that forks twice becomes the shim's child. So "no child is left" is the
// kernel's own word for "nothing is left", without marks and cgroups; those are
// for whoever must clean up after a shim that was killed.
//
// It never talks to etcd, and knows neither requests nor leases. Its imports are
// few, for there is one shim for each container: TestImports holds that.
package shim
