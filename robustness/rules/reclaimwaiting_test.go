package rules

import (
	"testing"
	"testing/synctest"
)

// What a lender's request had borrowed of another is reclaimed: it wants back then what its own tenant has lent, and has that
// after its tenant's own time. A model that looked before found it waiting.
func TestReclaim_ThenItsOwn(t *testing.T) {
	deeds := []deed{
		{kind: "cancel", tenant: "c", by: 1, amount: 10},
		{kind: "reclaim", tenant: "c", by: 0, amount: 12, soon: true},
		{kind: "run", tenant: "a", by: 1, amount: 5, soon: true},
		{kind: "cancel", tenant: "a", by: 2, amount: 12},
		{kind: "end", tenant: "a", by: 1, amount: 8, soon: true},
		{kind: "cancel", tenant: "c", by: 0, amount: 8},
		{kind: "reclaim", tenant: "c", by: 1, amount: 5, soon: true},
		{kind: "submit", tenant: "a", by: 1, amount: 15},
		{kind: "submit", tenant: "a", by: 0, amount: 8, soon: true},
		{kind: "restart", tenant: "b", by: 2, amount: 10, soon: true},
		{kind: "submit", tenant: "a", by: 2, amount: 20},
		{kind: "run", tenant: "b", by: 2, amount: 15},
		{kind: "submit", tenant: "a", by: 1, amount: 12},
		{kind: "submit", tenant: "b", by: 0, amount: 20},
		{kind: "submit", tenant: "c", by: 0, amount: 20},
		{kind: "end", tenant: "a", by: 0, amount: 20},
		{kind: "submit", tenant: "b", by: 1, amount: 12, soon: true},
	}
	synctest.Test(t, func(t *testing.T) {
		if wrong := loanModel(t, deeds, true); wrong != "" {
			t.Error(wrong)
		}
	})
}
