package scheduler_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

func termsText(s berth.Standing) string {
	var texts []string
	for _, t := range s.Terms {
		texts = append(texts, t.Name+"="+t.Value)
	}
	return string(s.Worker) + " " + strings.Join(texts, " ")
}

// Of workers with devices it is told what each would lose, and how much room it has.
func TestStandings_Devices(t *testing.T) {
	t.Parallel()
	with := func(id string, taken int64) scheduler.Worker {
		w := worker(id, 8000, 8<<30)
		w.Ledger.Capacity.Devices = []berth.Device{{Name: id + "-0", Type: "t4"}}
		if taken > 0 {
			w.Ledger.Reserved.Devices, w.Ledger.Count = []berth.DeviceShare{{Name: id + "-0", Milli: taken}}, 1
		}
		return w
	}
	r := request("r", 1000, 1<<30)
	r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"t4"}, Count: 1, Milli: 300}}
	got := fleet(with("a", 0), with("b", 600)).Standings(ask(r), 2)
	if len(got) != 2 {
		t.Fatalf("%v", got)
	}
	for i, want := range []string{
		"b device_type=1 disliked=0 other_daemons=no loss=300 free=400 load=",
		"a device_type=1 disliked=0 other_daemons=no loss=300 free=1000 load=",
	} {
		if text := termsText(got[i]); !strings.HasPrefix(text, want) {
			t.Errorf("%s, want %s", text, want)
		}
	}
}

// Where a request has failed to start on all, it is told that it goes where that was longest ago.
func TestStandings_AvoidedByWhen(t *testing.T) {
	t.Parallel()
	f := fleet(worker("a", 8000, 8<<30), worker("b", 8000, 8<<30), worker("c", 8000, 8<<30))
	for _, tt := range []struct {
		avoid []berth.WorkerID
		want  []string
	}{
		{[]berth.WorkerID{"b", "c", "a"}, []string{"b avoided=yes (1 of 3) ", "c avoided=yes (2 of 3) ", "a avoided=yes (3 of 3) "}},
		{[]berth.WorkerID{"b"}, []string{"", "", "b avoided=yes "}},
	} {
		c := ask(request("r", 1000, 1<<30))
		c.Avoid = tt.avoid
		got := f.Standings(c, 3)
		for i, want := range tt.want {
			if text := termsText(got[i]); !strings.HasPrefix(text, want) {
				t.Errorf("%v: %s, want %s", tt.avoid, text, want)
			}
		}
	}
}

// With an affinity key, too, a worker on which nothing runs is not too full, nor above the average, be it the only one that
// fits or one without devices beside one that has some.
func TestStandings_EmptyIsNotTooFull(t *testing.T) {
	t.Parallel()
	r := request("r", 1000, 1<<30)
	r.AffinityKey = "model"
	gpu := worker("g", 8000, 8<<30)
	gpu.Ledger.Capacity.Devices = []berth.Device{{Name: "g-0", Type: "t4"}}
	full := worker("f", 8000, 8<<30)
	full.Ledger.Reserved.CPUMilli, full.Ledger.Count = 8000, 1
	for name, f := range map[string]*scheduler.Fleet{
		"alone": fleet(worker("w", 8000, 8<<30)), "beside devices": fleet(worker("w", 8000, 8<<30), gpu),
		"beside one that is full": fleet(worker("w", 8000, 8<<30), full), "of devices": fleet(gpu), "of small": fleet(worker("w", 8000, 8<<30), worker("s", 500, 1<<20)),
	} {
		got := f.Standings(ask(r), 2)
		if len(got) == 0 {
			t.Fatalf("%s: nobody", name)
		}
		for _, s := range got {
			if text := termsText(s); !strings.Contains(text, "other_daemons=no above_bound=no load=0.0%") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

// Programs are told what is so as that, and what is a number as one, beside the words.
func TestStandings_Values(t *testing.T) {
	t.Parallel()
	r := request("r", 1000, 1<<30)
	half := worker("h", 8000, 8<<30)
	half.Ledger.Reserved.CPUMilli, half.Ledger.Count = 3000, 1
	got := fleet(half).Standings(ask(r), 2)
	if len(got) != 1 {
		t.Fatalf("%v", got)
	}
	for _, term := range got[0].Terms {
		said := ""
		switch {
		case (term.Is == nil) == (term.Number == nil):
			t.Errorf("%s: one of the two is wanted, got %v and %v", term.Name, term.Is, term.Number)
			continue
		case term.Is != nil:
			said = map[bool]string{false: "no", true: "yes"}[*term.Is]
		case term.Name == "load":
			said = fmt.Sprintf("%.1f%%", 100**term.Number)
		default:
			said = fmt.Sprint(*term.Number)
		}
		if said != term.Value {
			t.Errorf("%s is %s, and to programs %s", term.Name, term.Value, said)
		}
	}
}

// What counts against a worker because groups need it whole is a part of its loss, and told by
// itself; where no groups are usual it is not told at all.
func TestStandings_ByGroups(t *testing.T) {
	t.Parallel()
	for groups, want := range map[int]bool{0: false, 4: true} {
		f := racked(1, 2)
		teach(f, 60, groups, "")
		got := f.Standings(ask(forDevices("r", 1000, 1, 1000)), 2)
		if len(got) != 2 {
			t.Fatalf("%v", got)
		}
		for _, s := range got {
			i := slices.IndexFunc(s.Terms, func(t berth.Term) bool { return t.Name == "loss" })
			if told := s.Terms[i+1].Name == "by_groups"; told != want {
				t.Errorf("%d groups: %s", groups, termsText(s))
			} else if !told {
				continue
			}
			loss, errA := strconv.ParseFloat(s.Terms[i].Value, 64)
			part, errB := strconv.ParseFloat(s.Terms[i+1].Value, 64)
			if errA != nil || errB != nil || part < 4000 || part > loss || s.Terms[i+1].Decides {
				t.Errorf("want four idle devices at their full price, and no more than the loss: %s", termsText(s))
			}
		}
	}
}

// What speaks against a worker is told as a sum, and by which of the request's wishes.
func TestStandings_Wishes(t *testing.T) {
	t.Parallel()
	a, b := worker("a", 8000, 8<<30), worker("b", 8000, 8<<30)
	a.Labels, b.Labels = map[string]string{"disk": "ssd"}, map[string]string{"disk": "hdd"}
	b.Taints = []berth.Taint{{Key: "flaky", Effect: berth.EffectPreferNoPlace}}
	f := fleet(a, b)
	f.Count("a", map[string]string{"app": "web"}, 1)
	r := request("r", 1000, 1<<30)
	r.Affinity = []berth.Affinity{{Workers: []berth.Constraint{{Label: "disk", Operator: berth.OperatorIn, Values: []string{"ssd"}}}, Weight: 30}}
	r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "web"}, Topology: "host", Weight: 50}}
	got := f.Standings(ask(r), 2)
	for i, want := range []string{
		"a devices=no disliked=50 by_affinity=0 by_anti_affinity=50 by_taint=0 other_daemons=no",
		"b devices=no disliked=130 by_affinity=30 by_anti_affinity=0 by_taint=100 other_daemons=no",
	} {
		if text := termsText(got[i]); !strings.HasPrefix(text, want) {
			t.Errorf("%s, want %s", text, want)
		}
	}
}

// The first standing is the choice; all have the same terms, so that they can stand in one
// table; and nothing is reserved by asking.
func TestStandings_Property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := scheduler.NewFleet()
		for i := range rapid.IntRange(1, 5).Draw(t, "workers") {
			f.Put(genWorker(t, fmt.Sprintf("w%d", i)))
		}
		r := genRequest(t, "r")
		genTerms(t, r)
		c := ask(r)
		all := f.Standings(c, 3)
		d := f.Place(c)
		if (len(all) == 0) != (d.Verdict != nil) || len(all) > 0 && all[0].Worker != d.Worker {
			t.Fatalf("standings %v, and it goes to %q", all, d.Worker)
		}
		for _, s := range all {
			if len(s.Terms) != len(all[0].Terms) {
				t.Fatalf("%s\n%s", termsText(all[0]), termsText(s))
			}
			for i, term := range s.Terms {
				if term.Name != all[0].Terms[i].Name {
					t.Fatalf("%s\n%s", termsText(all[0]), termsText(s))
				}
			}
		}
	})
}
