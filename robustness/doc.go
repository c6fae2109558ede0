// Package robustness runs the whole protocol of Berth in one goroutine tree whose
// every step a seed decides: several daemons and agents, their real code, on an
// etcd in memory, with machines, clocks, containers and a network that fail.
//
// One seed is one run, and the same run whenever it is repeated. A controller
// (world) takes one event at a time: a request that reaches the store, an answer
// that comes back, a watch's news, a step of a container, a crash. Between two
// events it waits until everything else is blocked (testing/synctest), and what
// the actors asked for meanwhile is put in one order before it is looked at. So
// what happens does not depend on how goroutines are scheduled.
//
// What is checked: the eight invariants at every revision (package invariant),
// what really ran on the machines, what was acknowledged to the client, and that
// everything comes to its end once the faults have stopped.
package robustness
