package berth

import (
	"cmp"
	"time"
)

// Gathering is what a tenant's quota of a pool is gathered for: a group, or a request, that asks for more in one piece
// than what ends of its tenant's gives at once. While it stands, what comes after it in the order of its tenant gets
// only what it does not need.
//
// Each daemon says in the tenant's record for what it would have quota gathered, and the first of all stands.
type Gathering struct {
	Group    GroupID   `json:"group,omitempty"`
	Request  RequestID `json:"request,omitempty"`  // of no group, or that follows the others of its group
	Priority int32     `json:"priority,omitempty"` // as of then
	Age      Revision  `json:"age"`                // of its submission
	Need     Amounts   `json:"need"`
	Since    time.Time `json:"since"`
}

// Compare is the order of a tenant's own: priority, age, id.
func (g *Gathering) Compare(o *Gathering) int {
	return cmp.Or(cmp.Compare(o.Priority, g.Priority), cmp.Compare(g.Age, o.Age), cmp.Compare(g.Group, o.Group), cmp.Compare(g.Request, o.Request))
}

// ForLoan says whether what a daemon has quota gathered for, or else the first that waits there, waits for a loan.
func (q *Quota) ForLoan(d DaemonID) bool {
	w, waits := q.Waits[d]
	return waits && !w.Own
}

// Gathered is what quota is gathered for now, and how much is there of what that needs.
type Gathered struct {
	Group   GroupID   `json:"group,omitempty"`
	Request RequestID `json:"request,omitempty"`
	Since   time.Time `json:"since"`
	Need    Amounts   `json:"need"`
	Has     Amounts   `json:"has"`
}
