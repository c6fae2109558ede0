// Package sim runs placement policies on traces: files in, numbers out. There is no
// store and no protocol in it (package robustness has those); Berth's own policy is
// the scheduler package as the daemon runs it, and beside it stand the policies that
// it is compared with.
//
// Every placement of a policy is applied to a cluster of this package's own, which
// refuses one that a machine has no room for: no figure is of a plan that breaks
// invariant 1. Nothing here is random but by a seed.
package sim
