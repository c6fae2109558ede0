package etcdstore

import (
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// The basis of a plan takes an eighth of what else the plan puts, or 16 KiB, 32 of what is in flight;
// what would take more says that it was too much. The history of small stores was full of it.
func TestBasis_Bounded(t *testing.T) {
	s, err := New(new(clientv3.Client), Options{MaxTxnOps: 8192})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		places, steps int
		seats         int
		partial       bool
	}{
		{name: "small", places: 1, steps: 100},
		{name: "what a burst has in flight", places: 1, steps: 400},
		{name: "what a burst of 1,000 has in flight", places: 1, steps: 1200},
		{name: "more than 32 KiB", places: 1, steps: 2000, partial: true},
		{name: "suspended workers", places: 1, steps: 10, seats: 300},
		{name: "more than 16 KiB of suspended workers", places: 1, steps: 10, seats: 600, partial: true},
		{name: "beside many placements", places: 300, steps: 400},
		{name: "more than an eighth", places: 300, steps: 3000, partial: true},
		{name: "more than any value", places: 300, steps: 20_000, partial: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := placesOf(t, s, tt.places)
			plan.Basis = &berth.PlanBasis{Daemon: "d1", Revision: 7, Policy: "5", Shares: make([]berth.Share, 1)}
			for i := range tt.steps {
				plan.Basis.Steps = append(plan.Basis.Steps, berth.PlannedStep{Worker: berth.WorkerID(fmt.Sprintf("worker-%04d", i))})
			}
			for i := range tt.seats {
				plan.Basis.Seats = append(plan.Basis.Seats, berth.PlannedSeat{Worker: berth.WorkerID(fmt.Sprintf("worker-%04d", i)), Suspended: true})
			}
			tx, err := s.encodePlan(plan)
			if err != nil {
				t.Fatal(err)
			}
			last := tx.puts[len(tx.puts)-1]
			got, err := Decode(last.key.Kind, last.value)
			if err != nil {
				t.Fatal(err)
			}
			basis, ok := got.(*berth.PlanBasis)
			if !ok || basis.Partial != tt.partial || !tt.partial && (len(basis.Steps) != tt.steps || len(basis.Seats) != tt.seats) || basis.Txn != plan.ID || basis.Revision != 7 {
				t.Errorf("%d bytes, the last put is %.200s", len(last.value), fmt.Sprintf("%+v", got))
			}
			if rest := len(tx.values) - len(last.value); len(last.value) > max(32768, rest/8) {
				t.Errorf("the basis takes %d bytes beside %d", len(last.value), rest)
			}
			if len(plan.Basis.Steps) != tt.steps || plan.Basis.Partial {
				t.Error("the plan's own basis has changed: it may be sent again")
			}
		})
	}
}

// Where others run is left out first: what looks at nobody can be replayed all the same.
func TestBasis_RelationsFirst(t *testing.T) {
	s, err := New(new(clientv3.Client), Options{MaxTxnOps: 8192})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		steps, domains int
		told, partial  bool
	}{
		{name: "all", steps: 50, domains: 50, told: true},
		{name: "too many domains", steps: 50, domains: 500},
		{name: "too much besides", steps: 400, domains: 50},
		{name: "too much without them", steps: 2000, domains: 50, partial: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := placesOf(t, s, 1)
			counts := make(map[string]int64)
			for i := range tt.domains {
				counts[fmt.Sprintf("worker-%04d", i)] = 1
			}
			plan.Basis = &berth.PlanBasis{Daemon: "d1", Revision: 7, Policy: "5", Shares: make([]berth.Share, 1), Relations: []berth.PlannedRelation{
				{Pool: "default", Topology: berth.TopologyHost, Requests: berth.RequestLabel{Label: "app", Value: "web"}, Told: []berth.PlannedCounts{{Counts: counts}}},
			}}
			for i := range tt.steps {
				plan.Basis.Steps = append(plan.Basis.Steps, berth.PlannedStep{Worker: berth.WorkerID(fmt.Sprintf("worker-%04d", i))})
			}
			tx, err := s.encodePlan(plan)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(berth.KindPlan, tx.puts[len(tx.puts)-1].value)
			if err != nil {
				t.Fatal(err)
			}
			basis, _ := got.(*berth.PlanBasis)
			if basis == nil || basis.Partial != tt.partial || (len(basis.Relations) > 0) != tt.told || !tt.partial && len(basis.Steps) != tt.steps {
				t.Errorf("the basis is %.200s", fmt.Sprintf("%+v", got))
			}
			if len(plan.Basis.Relations) != 1 {
				t.Error("the plan's own basis has changed: it may be sent again")
			}
		})
	}
}

// Who could have made room is left out before all else: where a request got its place, and what others
// looked at, can be decided again all the same. It is told of a plan that only claims, too.
func TestBasis_OccupantsFirst(t *testing.T) {
	s, err := New(new(clientv3.Client), Options{MaxTxnOps: 8192})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		occupants int
		claims    bool
	}{
		{name: "all", occupants: 20},
		{name: "too many", occupants: 300},
		{name: "of a claim", occupants: 20, claims: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := placesOf(t, s, 1)
			if tt.claims {
				plan.Places = nil
			}
			plan.Basis = &berth.PlanBasis{
				Daemon: "d1", Revision: 7, Policy: "5", Shares: make([]berth.Share, 1), Room: []berth.PlannedRoom{{Request: "r", Nowhere: new(int64), Claim: tt.claims}},
				Relations: []berth.PlannedRelation{{Pool: "default", Topology: berth.TopologyHost, Told: []berth.PlannedCounts{{}}}},
			}
			for i := range tt.occupants {
				plan.Basis.Room[0].Occupants = append(plan.Basis.Room[0].Occupants, berth.PlannedOccupant{Request: berth.RequestID(fmt.Sprintf("request-%04d", i))})
			}
			tx, err := s.encodePlan(plan)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(berth.KindPlan, tx.puts[len(tx.puts)-1].value)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.occupants
			if tt.name == "too many" {
				want = 0
			}
			if basis, _ := got.(*berth.PlanBasis); basis == nil || basis.Partial || len(basis.Room) != 1 || len(basis.Room[0].Occupants) != want || len(basis.Relations) != 1 {
				t.Errorf("the basis is %.200s", fmt.Sprintf("%+v", got))
			}
			if len(plan.Basis.Room[0].Occupants) != tt.occupants {
				t.Error("the plan's own basis has changed: it may be sent again")
			}
		})
	}
}

// No plan is too large for its basis: that tells less then, or is not there.
func TestBasis_NeverTooMuch(t *testing.T) {
	whole, err := New(new(clientv3.Client), Options{MaxTxnOps: 8192})
	if err != nil {
		t.Fatal(err)
	}
	plan := placesOf(t, whole, 3)
	bare, err := whole.encodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	plan.Basis = &berth.PlanBasis{Daemon: "d1", Revision: 7, Policy: "5", Shares: make([]berth.Share, 1)}
	for i := range 20 {
		plan.Basis.Steps = append(plan.Basis.Steps, berth.PlannedStep{Worker: berth.WorkerID(fmt.Sprintf("worker-%04d", i))})
	}
	told := map[string]int{}
	for more := range 1000 {
		s, err := New(new(clientv3.Client), Options{MaxTxnOps: 8192, MaxTxnBytes: bare.size() + more})
		if err != nil {
			t.Fatal(err)
		}
		tx, err := s.encodePlan(plan)
		if err == nil {
			err = s.checkSize(tx)
		}
		if err != nil {
			t.Fatalf("with room for %d bytes more than without a basis: %v", more, err)
		}
		switch last, ok := tx.puts[len(tx.puts)-1].record.(*berth.PlanBasis); {
		case !ok:
			told["nothing"]++
		case last.Partial:
			told["partial"]++
		default:
			told["all"]++
		}
	}
	if len(told) != 3 {
		t.Errorf("the bases told %v", told)
	}
	few, err := New(new(clientv3.Client), Options{MaxTxnOps: len(bare.puts)})
	if err != nil {
		t.Fatal(err)
	}
	if tx, err := few.encodePlan(plan); err != nil || len(tx.puts) != len(bare.puts) {
		t.Errorf("%d puts of %d, %v", len(tx.puts), len(bare.puts), err)
	}
}
