// Package worker is the agent that runs on each machine: it registers what the
// machine has, starts what is placed on it, and reports how that went.
//
// A worker's life is a row of epochs. An epoch begins with a registration that
// is made only when no container of a former one lives, and ends with its lease;
// within it, everything happens in one goroutine (epoch.loop): the watch, the
// answers of transactions, the ends of containers and the clock come to it as
// events, and what follows from them is decided in decide.go, which is pure.
//
// It never judges capacity, never creates or deletes an allocation, and never
// reads another worker's. It keeps what docs/design.md says under "Life of a
// worker, and fencing": a container starts only behind the fence of its own
// epoch, before the deadline of that epoch's lease, and nothing runs past it.
// So two containers of one request never run at the same instant.
package worker
