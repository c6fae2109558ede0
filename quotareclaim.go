package berth

import (
	"maps"
	"slices"
	"time"
)

// What is lent comes back as what uses it ends. A lender may say that it waits for what is guaranteed to it no longer
// than so long: then as many of the borrower's allocations are stopped as keep it from that.

// Recall is what a tenant wants back from now on.
type Recall struct {
	Amounts Loans
	Own     bool // something waits for what is guaranteed to it: only that is reclaimed
	GoesOn  bool // something is about to be tried, of which it is not known yet whether it waits for more
}

// Recall notes what is wanted back. Of each borrower it keeps since when something is that is reclaimed, as long as
// the tenant's requests wait for that without a break: one that has got what it wanted makes none where another
// waits on.
func (q *Quota) Recall(r Recall, now time.Time) {
	q.Recalled, q.RecalledSince = r.Amounts, q.recalledSince(r, now)
}

// Recalls says whether Recall would change nothing.
func (q *Quota) Recalls(r Recall, now time.Time) bool {
	return maps.EqualFunc(q.Recalled, r.Amounts, Amounts.Equal) && maps.EqualFunc(q.RecalledSince, q.recalledSince(r, now), time.Time.Equal)
}

func (q *Quota) recalledSince(r Recall, now time.Time) map[TenantID]time.Time {
	since := make(map[TenantID]time.Time, len(r.Amounts))
	if r.Own {
		for t := range r.Amounts {
			since[t] = now.UTC()
		}
	}
	if r.Own || r.GoesOn {
		maps.Copy(since, q.RecalledSince)
	}
	if len(since) == 0 {
		return nil
	}
	return since
}

// ReclaimAt is from when on a borrower's allocations are stopped for what is wanted back from it;
// not ok: they are not, or nothing is.
func (q *Quota) ReclaimAt(from TenantID) (at time.Time, ok bool) {
	since, known := q.RecalledSince[from]
	if q.ReclaimAfterMS == nil || !known || len(q.Recalled[from]) == 0 {
		return time.Time{}, false
	}
	return since.Add(time.Duration(*q.ReclaimAfterMS) * time.Millisecond), true
}

// RecallFrom wants so much back of tenants at least, in place of what is wanted back of others and does not come back already, and since as
// long as anything is. It says whether that changes anything.
func (q *Quota) RecallFrom(back, comes map[TenantID]Amounts) (changed bool) {
	for _, t := range slices.Sorted(maps.Keys(back)) {
		for _, d := range back[t].Dimensions() {
			more := min(back[t][d], q.Lent[t][d]) - q.Recalled[t][d]
			if more <= 0 || q.Recalled.Of(d) == 0 {
				continue
			}
			q.Recalled, changed = q.Recalled.With(t, d, q.Recalled[t][d]+more), true
			for _, o := range slices.Backward(q.Recalled.TenantsOf(d)) {
				if _, too := back[o]; !too {
					part := min(more, max(q.Recalled[o][d]-max(comes[o][d], 0), 0))
					q.Recalled, more = q.Recalled.With(o, d, q.Recalled[o][d]-part), more-part
				}
			}
		}
	}
	first, since := q.earliest(), maps.Clone(q.RecalledSince)
	for t := range back {
		if at, known := since[t]; len(q.Recalled[t]) > 0 && (!known || first.Before(at)) {
			since[t], changed = first, true
		}
	}
	q.RecalledSince = since
	return changed
}

// earliest is since when something is wanted back of anybody.
func (q *Quota) earliest() (first time.Time) {
	for _, at := range q.RecalledSince {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// Keeps is how much of so much use of a dimension has to end before so much of what is borrowed can be
// given back. What is guaranteed to the tenant and not lent is never a part of it.
func (q *Quota) Keeps(d Dimension, used, back int64) int64 {
	back = min(back, q.Borrowed.Of(d))
	if _, counts := q.Guaranteed[d]; !counts {
		return 0 // what is not counted any more goes back by itself
	}
	return max(used-max(q.has(d)-back, 0), 0)
}

// Reclaim is how a tenant gets back what another has borrowed of a dimension.
type Reclaim struct {
	From     TenantID  `json:"from"`
	Amount   int64     `json:"amount"`             // wanted back
	At       time.Time `json:"at"`                 // from then on what uses it is stopped
	Stopping int       `json:"stopping,omitempty"` // allocations of the borrower's that hold some of it, for whatever reason
	Until    time.Time `json:"until,omitzero"`     // when the last of them is killed
}

// SameReclaim says whether two quotas say the same of how what is lent comes back.
func (q *Quota) SameReclaim(o *Quota) bool {
	a, b := q.ReclaimAfterMS, o.ReclaimAfterMS
	return a == b || a != nil && b != nil && *a == *b
}

// Reclaims are those of a dimension, by tenant, without what is stopping for them.
func (q *Quota) Reclaims(d Dimension) (out []Reclaim) {
	for _, t := range q.Recalled.TenantsOf(d) {
		if at, ok := q.ReclaimAt(t); ok {
			out = append(out, Reclaim{From: t, Amount: q.Recalled[t][d], At: at})
		}
	}
	return out
}

// CheckReclaimAfter checks how long a tenant waits for what it has lent, as a user gives it.
func CheckReclaimAfter(ms int64) error { return checkRange("reclaim_after_ms", ms, 0, MaxDurationMS) }
