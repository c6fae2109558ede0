package berth

import (
	"maps"
	"slices"
	"strconv"
)

// A tenant may have a guaranteed part of its quota of a pool: what it does not use of that, others
// who have one there may borrow, up to their limits, until it wants it back. A loan
// stands in both tenants' records, Lent in one and Borrowed in the other, and is made and given back
// by transactions that rewrite both: so what all may use is never more than what
// is guaranteed to all.

// LoanWait is that something waits at a daemon for what is guaranteed to its tenant and lent, or for
// more than that. Who has waited since the lowest revision is lent first what others wait for
// in vain, and then waits anew: so tenants take turns.
type LoanWait struct {
	Since Revision `json:"since"`
	Own   bool     `json:"own,omitempty"` // for what is guaranteed to it: of that nothing is lent meanwhile

	Request RequestID `json:"request,omitempty"` // the first that waits so, where it is reclaimed and no group: daemons of a version before this chose by it what ends
}

// Loans are amounts by the tenant on the other side.
type Loans map[TenantID]Amounts

// Of is how much of a dimension they are in all.
func (l Loans) Of(d Dimension) (sum int64) {
	for _, a := range l {
		sum += a[d]
	}
	return sum
}

// Tenants are those on the other side, sorted.
func (l Loans) Tenants() []TenantID { return slices.Sorted(maps.Keys(l)) }

// TenantsOf are those with whom there are some of a dimension, sorted.
func (l Loans) TenantsOf(d Dimension) (out []TenantID) {
	for _, t := range l.Tenants() {
		if l[t][d] > 0 {
			out = append(out, t)
		}
	}
	return out
}

// With is the loans with another amount of one dimension with a tenant.
func (l Loans) With(t TenantID, d Dimension, amount int64) Loans {
	out := maps.Clone(l)
	if out == nil {
		out = make(Loans, 1)
	}
	of := maps.Clone(out[t])
	if of == nil {
		of = make(Amounts, 1)
	}
	if of[d] = amount; amount == 0 {
		delete(of, d)
	}
	if out[t] = of; len(of) == 0 {
		delete(out, t)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Allowed is what a tenant may use now: of what is guaranteed, that with what it has borrowed and
// without what it has lent, within its limits; of anything else, its limits.
func (q *Quota) Allowed() Amounts { return q.AllowedWithout(nil) }

// AllowedWithout is what a tenant may use when it has given so much of what is borrowed back.
func (q *Quota) AllowedWithout(back Amounts) Amounts {
	if len(q.Guaranteed)+len(q.Lent) == 0 {
		return q.Limits
	}
	out := maps.Clone(q.Limits)
	for d, most := range out {
		out[d] = max(min(q.has(d)-back[d], most), 0)
	}
	return out
}

// Below is how much less than nothing a tenant may use when it has given so much back: it has lent more than is guaranteed
// to it now, and is to get that back before it may use anything.
func (q *Quota) Below(d Dimension, back Amounts) int64 {
	if _, limited := q.Limits[d]; !limited {
		return 0
	}
	return max(back[d]-q.has(d), 0)
}

// has is how much of a dimension a tenant could use, were there no limit.
func (q *Quota) has(d Dimension) int64 {
	if g, guaranteed := q.Guaranteed[d]; guaranteed {
		return g + q.Borrowed.Of(d) - q.Lent.Of(d)
	}
	return q.Limits[d] - q.Lent.Of(d)
}

// QuotaStand is how a tenant stands in one dimension of its quota of a pool.
type QuotaStand struct {
	Limit      int64      `json:"limit"`
	Guarantees bool       `json:"guarantees,omitempty"` // some of it, be it 0: the rest is borrowed
	Guaranteed int64      `json:"guaranteed,omitempty"`
	Lent       int64      `json:"lent,omitempty"`
	Borrowed   int64      `json:"borrowed,omitempty"`
	Allowed    int64      `json:"allowed"` // now
	Used       int64      `json:"used"`    // by all of its allocations
	Borrowers  []TenantID `json:"borrowers,omitempty"`
	Lenders    []TenantID `json:"lenders,omitempty"`

	Idle     int64      `json:"idle,omitempty"`     // others would lend so much of it now
	Ever     int64      `json:"ever,omitempty"`     // is guaranteed to all tenants of the pool: more than that nobody can have
	Have     int64      `json:"have,omitempty"`     // the workers of the pool that are not lost, in all; 0: not told
	Ahead    []TenantID `json:"ahead,omitempty"`    // the first who wait for a loan, too, and whose turn comes before
	Keeping  []TenantID `json:"keeping,omitempty"`  // the first who wait for what is guaranteed to them: they lend nothing meanwhile
	Reclaims []Reclaim  `json:"reclaims,omitempty"` // of what is wanted back

	Gathers *Gathered `json:"gathers,omitempty"` // of this dimension; nil: nothing is
}

// Stand is how a tenant stands in a dimension, being allowed and using so much.
func (q *Quota) Stand(d Dimension, allowed, used Amounts) *QuotaStand {
	s := &QuotaStand{
		Limit: q.Limits[d], Lent: q.Lent.Of(d), Borrowed: q.Borrowed.Of(d), Allowed: allowed[d], Used: used[d],
		Borrowers: q.Lent.TenantsOf(d), Lenders: q.Borrowed.TenantsOf(d),
		Reclaims: q.Reclaims(d),
	}
	s.Guaranteed, s.Guarantees = q.Guaranteed[d]
	return s
}

// Beyond is how much of what is borrowed is of no use but to what runs already, for it is beyond the limit.
func (q *Quota) Beyond(d Dimension) int64 { return max(q.has(d)-q.Limits[d], 0) }

// Idle says whether nothing is limited, taken, lent or borrowed.
func (q *Quota) Idle() bool {
	return len(q.Limits) == 0 && q.Blocks == 0 && len(q.Lent) == 0 && len(q.Borrowed) == 0
}

// CheckGuaranteed checks what is guaranteed beside limits, as a user gives it.
func CheckGuaranteed(guaranteed, limits Amounts) error {
	for _, d := range guaranteed.Dimensions() {
		if err := d.check("guaranteed", guaranteed[d]); err != nil {
			return err
		}
		most, limited := limits[d]
		if !limited {
			return &FieldError{Field: "guaranteed." + string(d), Value: amountText(guaranteed[d]), Problem: "is of what is not limited", Bound: "a dimension that has a limit, which is the most that may be used with what is borrowed"}
		}
		if guaranteed[d] > most {
			return &FieldError{Field: "guaranteed." + string(d), Value: amountText(guaranteed[d]), Problem: "is more than the limit", Bound: "at most " + amountText(most)}
		}
	}
	return nil
}

func amountText(n int64) string { return strconv.FormatInt(n, 10) }
