package snapshot_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// What waits is not told to look at a worker that the change itself takes away; of one that would be gone
// nothing is told at all.
func TestForecast_TakenAway(t *testing.T) {
	t.Parallel()
	ids := func(w ...berth.WorkerID) []berth.WorkerID { return w }
	for _, tt := range []struct {
		name   string
		change snapshot.Change
		want   string // the nearest, whether it could ever be there, and all reasons
		never  bool
	}{
		{"drained", snapshot.Change{Drain: ids("w1")}, "w2 [cpu_milli draining]", false},
		{"cordoned", snapshot.Change{Cordon: ids("w1")}, "w2 [cordoned cpu_milli]", false},
		{"removed", snapshot.Change{Remove: ids("w1")}, "w2 [cpu_milli]", true},
		{"all are cordoned", snapshot.Change{Cordon: ids("w1", "w2")}, " [cordoned]", false},
		{"all are gone", snapshot.Change{Remove: ids("w1", "w2")}, " [no_worker]", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{}
			s.worker("w1", 4000, berth.Intent{})
			s.worker("w2", 1000, berth.Intent{})
			s.submit("b", 3000, "")
			outcomes, err := s.taken().Forecast(&tt.change)
			if err != nil || len(outcomes) != 1 || outcomes[0].Verdict == nil {
				t.Fatalf("%+v, %v", outcomes, err)
			}
			var codes []berth.ReasonCode
			for _, r := range outcomes[0].Verdict.Reasons {
				codes = append(codes, r.Code)
			}
			slices.Sort(codes)
			nearest := berth.WorkerID("")
			if m := outcomes[0].Nearest; m != nil {
				nearest = m.Worker
			}
			if got := fmt.Sprint(nearest, " ", slices.Compact(codes)); got != tt.want || outcomes[0].Verdict.NeverFits != tt.never {
				t.Errorf("%s, never fits: %v; want %s, %v", got, outcomes[0].Verdict.NeverFits, tt.want, tt.never)
			}
		})
	}
}

// Of one worker not both can be said; and of several shapes names tell which.
func TestForecast_Change(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 1000, berth.Intent{})
	s.submit("b", 3000, "")
	for field, change := range map[string]snapshot.Change{
		"cordon": {Cordon: []berth.WorkerID{"w1"}}, "drain": {Drain: []berth.WorkerID{"w1"}}, "remove": {Remove: []berth.WorkerID{"w1"}},
	} {
		change.Uncordon = []berth.WorkerID{"w1"}
		_, err := s.taken().Forecast(&change)
		if want := `uncordon "w1" stands beside ` + field + "; allowed: one of the two for a worker"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := s.taken().Forecast(&snapshot.Change{Drain: []berth.WorkerID{"w2", "w1"}, Remove: []berth.WorkerID{"w1"}})
	if want := `drain "w1" stands beside remove; allowed: one of the two for a worker`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	large := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 8000, MemoryBytes: 1 << 30}}
	outcomes, err := s.taken().Forecast(&snapshot.Change{Add: []snapshot.Addition{{Count: 2, Like: "w1"}, {Count: 1, Pool: berth.DefaultPool, Capacity: large}}})
	if err != nil || outcomes[0].Worker != "new-2-1" {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

func TestForecast(t *testing.T) {
	t.Parallel()
	ids := func(w ...berth.WorkerID) []berth.WorkerID { return w }
	urgent := request("urgent", 3000)
	urgent.Priority = 5
	others := request("others", 3000)
	others.Tenant = "other"
	tests := []struct {
		name   string
		change snapshot.Change
		want   []string
	}{
		{"nothing", snapshot.Change{}, []string{"b waiting: waits"}},
		{"a cordon is lifted", snapshot.Change{Uncordon: ids("w3")}, []string{"b waiting: w3"}},
		{"a worker is cordoned", snapshot.Change{Cordon: ids("w1"), Requests: []berth.Request{request("c", 500)}}, []string{"b waiting: waits", "c new: w2"}},
		{
			"what is on a drained worker moves, in the order of what waits",
			snapshot.Change{Drain: ids("w1"), Uncordon: ids("w3")},
			[]string{"a moved from w1: w3", "b waiting: waits"},
		},
		{"one that is removed, too", snapshot.Change{Remove: ids("w1")}, []string{"a moved from w1: waits", "b waiting: waits"}},
		{"more of a shape", snapshot.Change{Add: []snapshot.Addition{{Count: 1, Like: "w3"}}}, []string{"b waiting: new-1"}},
		{
			"amounts",
			snapshot.Change{Add: []snapshot.Addition{{Count: 2, Pool: berth.DefaultPool, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 2000, MemoryBytes: 1 << 30}}}}},
			[]string{"b waiting: waits"},
		},
		{
			"an urgent one goes before what waits",
			snapshot.Change{Uncordon: ids("w3"), Requests: []berth.Request{urgent}},
			[]string{"urgent new: w3", "b waiting: waits"},
		},
		{
			"who holds less goes before what waits of who holds more, however urgent that is",
			snapshot.Change{Uncordon: ids("w3"), Requests: []berth.Request{urgent, others}},
			[]string{"others new: w3", "urgent new: waits", "b waiting: waits"},
		},
		{
			"but not what holds less only where it is",
			snapshot.Change{Drain: ids("w1"), Uncordon: ids("w3"), Requests: []berth.Request{others}},
			[]string{"a moved from w1: w3", "others new: waits", "b waiting: waits"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{}
			s.worker("w1", 4000, berth.Intent{})
			s.worker("w2", 1000, berth.Intent{})
			s.worker("w3", 4000, berth.Intent{Cordon: true})
			s.submit("a", 3000, "w1")
			s.submit("b", 3000, "")
			outcomes, err := s.taken().Forecast(&tt.change)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range outcomes {
				text := fmt.Sprintf("%s %s", o.Request, o.Kind)
				if o.From != "" {
					text += " from " + string(o.From)
				}
				if o.Verdict != nil {
					o.Worker = "waits"
				}
				got = append(got, text+": "+string(o.Worker))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestForecast_Refuses(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	s.submit("a", 1000, "w1")
	for name, c := range map[string]snapshot.Change{
		"no such worker":      {Drain: []berth.WorkerID{"w9"}},
		"a reserved label":    {Add: []snapshot.Addition{{Count: 1, Pool: berth.DefaultPool, Labels: map[string]string{berth.LabelSpot: "true"}}}},
		"no such shape":       {Add: []snapshot.Addition{{Count: 1, Like: "w9"}}},
		"too many":            {Add: []snapshot.Addition{{Count: snapshot.MaxChanges + 1, Like: "w1"}}},
		"none":                {Add: []snapshot.Addition{{Count: 0, Like: "w1"}}},
		"an id that is there": {Requests: []berth.Request{request("a", 1)}},
		"a bad request":       {Requests: []berth.Request{request("x", -1)}},
	} {
		if _, err := s.taken().Forecast(&c); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
}

// What is kept for a group keeps new requests off, too, and not the group.
func TestForecast_Kept(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	s.worker("w2", 4000, berth.Intent{})
	s.put(berth.KindKeep, "", string(berth.DefaultPool), &berth.Keep{
		Group: "g", Workers: []berth.KeptWorker{{Worker: "w1", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 3000}}}},
	})
	outcomes, err := s.taken().Forecast(&snapshot.Change{Cordon: []berth.WorkerID{"w2"}, Requests: []berth.Request{request("large", 2000), request("small", 1000)}})
	if err != nil {
		t.Fatal(err)
	}
	if v := outcomes[0].Verdict; v == nil || outcomes[1].Verdict != nil || outcomes[1].Worker != "w1" {
		t.Fatalf("%+v", outcomes)
	} else if v.Reasons[0].Code != berth.ReasonCordoned || v.Reasons[1].Code != berth.ReasonKept || v.Reasons[1].Detail != "g" {
		t.Errorf("%+v", v.Reasons)
	}
	group := request("g", 3000)
	group.Group = &berth.Membership{Size: 1}
	outcomes, err = s.taken().Forecast(&snapshot.Change{Requests: []berth.Request{group, request("large", 1000)}, Cordon: []berth.WorkerID{"w2"}})
	if err != nil || len(outcomes) != 2 || outcomes[0].Worker != "w1" || outcomes[1].Worker != "w1" {
		t.Errorf("when the group is placed, nothing is kept any more: %+v, %v", outcomes, err)
	}
}
