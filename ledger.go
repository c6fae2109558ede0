package berth

import (
	"errors"
	"fmt"
)

// ErrOverCapacity reports a reservation that a ledger's capacity does not allow.
// The planner never proposes one; it guards invariant 1.
var ErrOverCapacity = errors.New("ledger over capacity")

// Reserve returns the ledger with one more allocation of share s.
func (l Ledger) Reserve(s Share) (Ledger, error) {
	reserved, err := l.Reserved.Plus(s)
	if err != nil {
		return Ledger{}, err
	}
	total := reserved
	if !l.Held.IsZero() {
		if total, err = reserved.Plus(l.Held); err != nil {
			return Ledger{}, err
		}
	}
	if over := l.Capacity.Exceeds(total); over != "" {
		return Ledger{}, fmt.Errorf("%s: %w", over, ErrOverCapacity)
	}
	l.Reserved, l.Count = reserved, l.Count+1
	return l, nil
}

// Release returns the ledger with one allocation of share s less.
func (l Ledger) Release(s Share) (Ledger, error) {
	reserved, err := l.Reserved.Minus(s)
	if err != nil {
		return Ledger{}, err
	}
	if l.Count < 1 {
		return Ledger{}, fmt.Errorf("release on a ledger that counts %d allocations: %w", l.Count, ErrOverflow)
	}
	l.Reserved, l.Count = reserved, l.Count-1
	return l, nil
}

// Empty says whether nothing is allocated or held under the ledger, so that it
// may be opened for another epoch.
func (l Ledger) Empty() bool {
	return l.Count == 0 && l.Reserved.IsZero() && l.Held.IsZero() && len(l.Claims) == 0
}
