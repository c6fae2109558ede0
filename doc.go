// Package berth holds the words of the scheduler that no layer owns: requests,
// resources, workers, ledgers, allocations, plans and typed reasons.
//
// It is pure data with checked integer arithmetic. It never talks to a store,
// reads no clock and starts nothing. Invariants 1 and 2 of docs/design.md (a
// ledger never exceeds its capacity and equals the sum of its allocations) rest
// on the arithmetic of this package.
package berth
