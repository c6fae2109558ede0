// Package scheduler decides which worker takes a request, and with which ports
// and devices: filter, score, choose.
//
// It is pure. State goes in with Put, a decision comes out of Place, and the same
// state and request give the same decision, in whatever order the state came. It
// has no clock, starts no goroutine, knows no store and writes no log; so it runs
// unchanged in the daemon, in the simulator and in what-if questions. A Fleet has
// one owner: it is not for use by several goroutines at once.
//
// Place never proposes what would break invariant 1 of docs/design.md: what it
// returns has gone through berth.Ledger.Reserve. Where nothing fits it says why,
// with numbers, for every worker of the pool.
package scheduler
