package berth_test

import (
	"maps"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What has to end is what is used beyond what is guaranteed and not lent, with what is left of what is borrowed.
func TestQuota_Keeps(t *testing.T) {
	cpu := func(n int64) berth.Amounts { return berth.Amounts{berth.DimensionCPU: n} }
	for _, tt := range []struct {
		name             string
		limit, g         int64
		borrowed, lent   int64
		used, back, want int64
	}{
		{"all is free", 100, 30, 40, 0, 30, 40, 0},
		{"a part is free", 100, 30, 40, 0, 60, 40, 30},
		{"nothing is free", 100, 30, 40, 0, 70, 15, 15},
		{"no more than is borrowed", 100, 30, 40, 0, 70, 90, 40},
		{"never what is guaranteed", 100, 30, 40, 0, 30, 90, 0},
		{"lent itself", 100, 30, 40, 20, 50, 40, 40},
		{"beyond a limit that was set lower, of which some is free", 50, 30, 40, 0, 60, 20, 10},
		{"more than is beyond it", 50, 30, 40, 0, 60, 25, 15},
		{"no more than is free there", 50, 30, 40, 0, 60, 10, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := berth.Quota{Limits: cpu(tt.limit), Guaranteed: cpu(tt.g), Borrowed: berth.Loans{"a": cpu(tt.borrowed)}, Lent: berth.Loans{"c": cpu(tt.lent)}}
			if got := q.Keeps(berth.DimensionCPU, tt.used, tt.back); got != tt.want {
				t.Errorf("%d have to end, want %d", got, tt.want)
			}
		})
	}
	q := berth.Quota{Limits: cpu(100), Borrowed: berth.Loans{"a": cpu(40)}}
	if got := q.Keeps(berth.DimensionCPU, 70, 40); got != 0 {
		t.Errorf("%d have to end for what is not counted any more", got)
	}
}

// Since when something is wanted back is kept as long as something waits for it, and told of no one else.
func TestQuota_RecallSince(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	some := func(tenants ...berth.TenantID) berth.Loans {
		out := berth.Loans{}
		for _, t := range tenants {
			out[t] = berth.Amounts{berth.DimensionCPU: 1}
		}
		return out
	}
	q := berth.Quota{}
	for i, tt := range []struct {
		recall berth.Recall
		want   map[berth.TenantID]time.Time
	}{
		{berth.Recall{Amounts: some("b")}, nil}, // for more than is guaranteed
		{berth.Recall{Amounts: some("b"), Own: true}, map[berth.TenantID]time.Time{"b": at(1)}},
		{berth.Recall{Amounts: some("b", "c"), Own: true}, map[berth.TenantID]time.Time{"b": at(1), "c": at(2)}},
		{berth.Recall{Amounts: some("c"), Own: true}, map[berth.TenantID]time.Time{"b": at(1), "c": at(2)}},
		{berth.Recall{GoesOn: true}, map[berth.TenantID]time.Time{"b": at(1), "c": at(2)}},
		{berth.Recall{Amounts: some("b")}, nil},
	} {
		if q.Recalls(tt.recall, at(int64(i))) && !maps.Equal(q.RecalledSince, tt.want) {
			t.Errorf("step %d would change nothing", i)
		}
		q.Recall(tt.recall, at(int64(i)))
		if !maps.Equal(q.RecalledSince, tt.want) {
			t.Errorf("step %d: since %v, want %v", i, q.RecalledSince, tt.want)
		}
		if !q.Recalls(tt.recall, at(99)) {
			t.Errorf("step %d would be written again", i)
		}
	}
	q.Recall(berth.Recall{Amounts: some("b"), Own: true}, at(50))
	if _, ok := q.ReclaimAt("b"); ok {
		t.Error("reclaimed though that was not asked for")
	}
	q.ReclaimAfterMS = new(int64(2500))
	if when, ok := q.ReclaimAt("b"); !ok || !when.Equal(at(50).Add(2500*time.Millisecond)) {
		t.Errorf("reclaimed at %v, %t", when, ok)
	}
	if _, ok := q.ReclaimAt("c"); ok {
		t.Error("reclaimed from whom nothing is wanted back")
	}
}

func TestCheckReclaimAfter(t *testing.T) {
	for ms, ok := range map[int64]bool{-1: false, 0: true, berth.MaxDurationMS: true, berth.MaxDurationMS + 1: false} {
		if err := berth.CheckReclaimAfter(ms); (err == nil) != ok {
			t.Errorf("%d: %v", ms, err)
		}
		tenant := berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"p": {ReclaimAfterMS: &ms}}}
		if err := tenant.Check(); (err == nil) != ok {
			t.Errorf("%d in a record: %v", ms, err)
		}
	}
}

// Of those who make room as much is wanted back as they free, first in place of what is wanted back of others and does not come back already,
// and since as long.
func TestQuota_RecallFrom(t *testing.T) {
	const d = berth.DimensionCPU
	cpu := func(n int64) berth.Amounts { return berth.Amounts{d: n} }
	first, later := time.Unix(1, 0).UTC(), time.Unix(9, 0).UTC()
	for _, tt := range []struct {
		name    string
		back    map[berth.TenantID]berth.Amounts
		comes   map[berth.TenantID]berth.Amounts
		want    map[berth.TenantID]int64
		changed bool
	}{
		{"enough is wanted back", map[berth.TenantID]berth.Amounts{"a": cpu(20)}, nil, map[berth.TenantID]int64{"a": 30, "b": 0, "c": 5}, false},
		{"in place of another", map[berth.TenantID]berth.Amounts{"b": cpu(10)}, nil, map[berth.TenantID]int64{"a": 25, "b": 10, "c": 0}, true},
		{"in place of what does not come back", map[berth.TenantID]berth.Amounts{"b": cpu(10)}, map[berth.TenantID]berth.Amounts{"c": cpu(3), "a": cpu(-5)}, map[berth.TenantID]int64{"a": 22, "b": 10, "c": 3}, true},
		{"more than all", map[berth.TenantID]berth.Amounts{"b": cpu(50)}, nil, map[berth.TenantID]int64{"a": 0, "b": 40, "c": 0}, true},
		{"of several", map[berth.TenantID]berth.Amounts{"a": cpu(30), "c": cpu(10)}, nil, map[berth.TenantID]int64{"a": 30, "b": 0, "c": 10}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := berth.Quota{
				Lent: berth.Loans{"a": cpu(40), "b": cpu(40), "c": cpu(40)}, Recalled: berth.Loans{"a": cpu(30), "c": cpu(5)},
				RecalledSince: map[berth.TenantID]time.Time{"a": first, "c": later},
			}
			if got := q.RecallFrom(tt.back, tt.comes); got != tt.changed {
				t.Errorf("changed: %v", got)
			}
			for of, v := range tt.want {
				if got := q.Recalled[of][d]; got != v {
					t.Errorf("%d is wanted back of %s, want %d", got, of, v)
				}
			}
			for of := range tt.back {
				if tt.changed && !q.RecalledSince[of].Equal(first) {
					t.Errorf("of %s since %v, want %v", of, q.RecalledSince[of], first)
				}
			}
		})
	}
}
