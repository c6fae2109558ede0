package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// held puts an occupant on a worker, with its CPU.
func (c crowd) held(f *scheduler.Fleet, w berth.WorkerID, id string, cpu int64, o scheduler.Occupant) {
	o.Request, o.Share.CPUMilli = berth.RequestID(id), cpu
	now := *f.Worker(w)
	var err error
	if now.Ledger, err = now.Ledger.Reserve(o.Share); err != nil {
		panic(err)
	}
	f.Put(now)
	c.add(f, w, o)
}

func TestPreempt(t *testing.T) {
	type on struct {
		worker string
		cpu    int64
		scheduler.Occupant
	}
	is := func(w string, cpu int64, priority int32, placed int64) on {
		return on{w, cpu, scheduler.Occupant{Priority: priority, Placed: placed}}
	}
	member := func(w string, cpu int64, members int) on {
		return on{w, cpu, scheduler.Occupant{Group: "g", Members: members}}
	}
	tests := []struct {
		name string
		who  []on // named o0, o1 ...
		cpu  int64
		want string
	}{
		{"the fewest, though of higher priority", []on{is("a", 4, 0, 0), is("a", 4, 0, 0), is("b", 8, 5, 0)}, 8, "b [o2]"},
		{"then the lowest priority", []on{is("a", 8, 5, 0), is("b", 8, 4, 0)}, 8, "b [o1]"},
		{"then the youngest", []on{is("a", 8, 5, 1), is("b", 8, 5, 2)}, 8, "b [o1]"},
		{"then the first worker", []on{is("a", 8, 5, 1), is("b", 8, 5, 1)}, 8, "a [o0]"},
		{"no more than needed", []on{is("a", 2, 0, 9), is("a", 6, 1, 0), is("b", 8, 10, 0)}, 8, "a [o0 o1]"},
		{"one that suffices, though two are younger", []on{is("a", 2, 0, 9), is("a", 2, 0, 9), is("a", 4, 0, 0), is("b", 8, 10, 0)}, 4, "a [o2]"},
		{"none of equal priority", []on{is("a", 8, 10, 0), is("b", 8, 11, 0)}, 8, " []"},
		{"what is free counts", []on{is("a", 5, 0, 0), is("a", 1, 10, 0), is("b", 8, 10, 0)}, 7, "a [o0]"},
		{"what leaves anyway first", []on{{"a", 8, scheduler.Occupant{Priority: 99, Leaving: true}}, is("b", 8, 0, 0)}, 8, "a [o0]"},
		{"of what leaves only what is needed", []on{
			{"a", 4, scheduler.Occupant{Leaving: true}}, {"a", 4, scheduler.Occupant{Leaving: true}}, is("b", 8, 0, 0),
		}, 3, "a [o0]"},
		{"a group costs all of it", []on{member("a", 8, 3), is("b", 4, 1, 0), is("b", 4, 1, 0)}, 8, "b [o1 o2]"},
		{"a group goes whole", []on{member("a", 4, 2), member("a", 4, 2), is("b", 8, 10, 0)}, 4, "a [o0 o1]"},
		{"rather one than a group", []on{member("a", 4, 2), is("a", 4, 9, 0), is("b", 8, 10, 0)}, 4, "a [o1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, who := fleet(worker("a", 8, 1), worker("b", 8, 1)), crowd{}
			for i, o := range tt.who {
				who.held(f, berth.WorkerID(o.worker), fmt.Sprintf("o%d", i), o.cpu, o.Occupant)
			}
			d, ok := f.Preempt(scheduler.Candidate{Request: request("c", tt.cpu, 0), Priority: 10}, who.on)
			if got := fmt.Sprintf("%s %v", d.Worker, d.Victims); got != tt.want || ok != (d.Worker != "") {
				t.Errorf("victims %s, want %s", got, tt.want)
			}
		})
	}
}

// Who a candidate has to be near to does not make room for it where it could not be placed then, whatever matters least.
func TestPreempt_NearOthers(t *testing.T) {
	db := map[string]string{"app": "db"}
	for _, tt := range []struct {
		name        string
		db, other   int32 // priorities
		there, want string
	}{
		{"another goes", 1, 5, "c", "c [o1]"},
		{"none may", 1, 50, "c", " []"},
		{"one that is near stays", 1, 5, "db", "c [o0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, who := fleet(worker("c", 8, 1)), crowd{}
			who.held(f, "c", "o0", 4, scheduler.Occupant{Priority: tt.db, Labels: db})
			last := scheduler.Occupant{Priority: tt.other}
			if tt.there == "db" {
				last.Labels = db
			}
			who.held(f, "c", "o1", 4, last)
			r := request("r", 4, 0)
			r.Affinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "db"}, Topology: berth.TopologyHost}}
			d, _ := f.Preempt(scheduler.Candidate{Request: r, Priority: 10}, who.on)
			if got := fmt.Sprintf("%s %v", d.Worker, d.Victims); got != tt.want {
				t.Errorf("victims %s, want %s", got, tt.want)
			}
		})
	}
}

// A worker where the candidate failed to start is cleared only where no other can be.
func TestPreempt_Avoided(t *testing.T) {
	f, who := fleet(worker("a", 8, 1), worker("b", 8, 1)), crowd{}
	who.held(f, "a", "o0", 8, scheduler.Occupant{})
	who.held(f, "b", "o1", 8, scheduler.Occupant{Priority: 3})
	c := scheduler.Candidate{Request: request("c", 8, 0), Priority: 10, Avoid: []berth.WorkerID{"a"}}
	if d, _ := f.Preempt(c, who.on); d.Worker != "b" {
		t.Errorf("clears %q, want b", d.Worker)
	}
	c.Priority = 3
	if d, _ := f.Preempt(c, who.on); d.Worker != "a" {
		t.Errorf("clears %q, want a: on b nothing matters less", d.Worker)
	}
}

// A closed worker is not cleared, nor one that its labels keep the candidate off.
func TestPreempt_NotThere(t *testing.T) {
	for name, spoil := range map[string]func(*scheduler.Worker, *berth.Request){
		"cordoned": func(w *scheduler.Worker, _ *berth.Request) { w.Cordoned = true },
		"draining": func(w *scheduler.Worker, _ *berth.Request) { w.Draining = true },
		"held":     func(w *scheduler.Worker, _ *berth.Request) { w.Held = true },
		"taint": func(w *scheduler.Worker, _ *berth.Request) {
			w.Taints = []berth.Taint{{Key: "gpu", Effect: berth.EffectNoPlace}}
		},
		"constraint": func(_ *scheduler.Worker, r *berth.Request) {
			r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorExists}}
		},
		"too small": func(_ *scheduler.Worker, r *berth.Request) { r.Resources.CPUMilli = 9 },
	} {
		t.Run(name, func(t *testing.T) {
			f, who, r := fleet(worker("a", 8, 1)), crowd{}, request("c", 8, 0)
			who.held(f, "a", "o0", 8, scheduler.Occupant{})
			w := *f.Worker("a")
			spoil(&w, r)
			f.Put(w)
			c := scheduler.Candidate{Request: r, Priority: 10}
			if d, ok := f.Preempt(c, who.on); ok || f.CanPreemptOn(c, "a", who.on) {
				t.Errorf("clears %+v", d)
			}
		})
	}
}

// What must not be near a request of lower priority may take its place.
func TestPreempt_Related(t *testing.T) {
	w := worker("a", 8, 1)
	f, who, r := fleet(w), crowd{}, request("c", 1, 0)
	who.held(f, "a", "o0", 1, scheduler.Occupant{Labels: map[string]string{"app": "x"}})
	who.held(f, "a", "o1", 1, scheduler.Occupant{})
	r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "x"}, Topology: berth.TopologyHost}}
	c := scheduler.Candidate{Request: r, Priority: 10}
	if f.Place(c).Verdict == nil {
		t.Fatal("placed beside what it must not be near")
	}
	if d, _ := f.Preempt(c, who.on); !slices.Equal(d.Victims, []berth.RequestID{"o0"}) {
		t.Errorf("clears %+v", d)
	}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
}

// BenchmarkPreempt has full workers of equal containers, of which one is to give room
// for a candidate of ten.
func BenchmarkPreempt(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("workers=%d", n), func(b *testing.B) {
			f, who := scheduler.NewFleet(), crowd{}
			for i := range n {
				id := fmt.Sprintf("w%05d", i)
				f.Put(worker(id, 20_000, 1<<40))
				for j := range 20 {
					who.held(f, berth.WorkerID(id), fmt.Sprintf("%s-%d", id, j), 1000, scheduler.Occupant{Priority: int32(j % 3), Placed: int64(i*j) % 97})
				}
			}
			c := scheduler.Candidate{Request: request("c", 10_000, 0), Priority: 10}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := f.Preempt(c, who.on); !ok {
					b.Fatal("no victims")
				}
			}
		})
	}
}
