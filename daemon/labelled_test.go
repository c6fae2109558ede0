package daemon

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
)

// relatedStage is a stage whose workers are in two racks: w0 to w4 in a, the others
// in b; each has room for one request.
func relatedStage(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, 100)
	s.tell(daemonKey("other"), nil)
	for i := range 10 {
		s.rack(berth.WorkerID(fmt.Sprintf("w%d", i)), [2]string{"a", "b"}[i/5])
	}
	s.step()
	return s
}

func (s *stage) rack(w berth.WorkerID, rack string) {
	rec, _ := s.view.worker(w)
	next := *rec
	next.Labels = map[string]string{"rack": rack}
	s.tell(workerKey(w), &next)
}

// ask submits a request of the app web.
func (s *stage) ask(id berth.RequestID, change func(*berth.Request)) {
	r := berth.Request{ID: id, Command: []string{"x"}, Labels: map[string]string{"app": "web"}, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100}}}
	change(&r)
	s.tell(requestKey(id), &berth.Submission{Spec: r.Normalize()})
}

var web = &berth.RequestLabel{Label: "app", Value: "web"}

func apart(topology string) func(*berth.Request) {
	return func(r *berth.Request) { r.AntiAffinity = []berth.Affinity{{Requests: web, Topology: topology}} }
}

// place gathers a plan and lets it apply, or not, and says who is placed where.
func (s *stage) place(applies bool) map[berth.RequestID]berth.WorkerID {
	s.view.passed(s.rev)
	s.complete()
	b := newBuilder(s.loop, s.clock)
	for more := true; more && b.plan.Empty(); {
		more = s.gather(b)
	}
	out := map[berth.RequestID]berth.WorkerID{}
	for _, p := range b.plan.Places {
		out[p.Request] = p.Worker
		if applies {
			s.tell(stateKey(p.Request), &p.State)
			s.tell(allocationKey(p.Worker, p.Request), &p.Allocation)
		}
	}
	for _, lw := range b.plan.Ledgers {
		if applies {
			s.tell(ledgerKey(lw.Worker), &lw.Ledger)
		}
	}
	b.uncount(applies)
	if !applies {
		b.again()
	}
	s.view.passed(s.rev)
	return out
}

// end ends what is on a worker.
func (s *stage) end(w berth.WorkerID, id berth.RequestID) {
	ledger, _ := s.view.ledger(w)
	a, _ := s.view.allocation(w, id)
	next, err := ledger.Release(a.Share)
	if err != nil {
		s.t.Fatal(err)
	}
	s.tell(allocationKey(w, id), nil)
	s.tell(ledgerKey(w), &next)
	s.tell(stateKey(id), nil)
	s.tell(requestKey(id), nil)
}

func (s *stage) want(applies bool, ids ...berth.RequestID) map[berth.RequestID]berth.WorkerID {
	s.t.Helper()
	got := s.place(applies)
	if len(got) != len(ids) {
		s.t.Fatalf("placed %v, want %v", got, ids)
	}
	for _, id := range ids {
		if got[id] == "" {
			s.t.Fatalf("placed %v, want %v", got, ids)
		}
	}
	return got
}

// Of requests that must not share a rack, one plan places one in each; a third waits,
// with the reason, and is woken when one of them ends, though the worker that it is
// placed on then has not changed.
func TestRelated_ApartInARack(t *testing.T) {
	s := relatedStage(t)
	for _, id := range []berth.RequestID{"r1", "r2", "r3"} {
		s.ask(id, apart("rack"))
	}
	on := s.want(true, "r1", "r2")
	if a, b := s.fleet.Worker(on["r1"]).Labels["rack"], s.fleet.Worker(on["r2"]).Labels["rack"]; a == b {
		t.Fatalf("both in rack %s", a)
	}
	s.want(true)
	if st, _ := s.status("r3"); st.Verdict == nil || st.Verdict.Reasons[0].Code != berth.ReasonAntiAffinity || st.Verdict.NeverFits {
		t.Errorf("waits for %+v", st.Verdict)
	}
	s.tell(intentKey(on["r1"]), &berth.Intent{Cordon: true})
	s.want(true)
	s.end(on["r1"], "r1")
	if now := s.want(true, "r3"); now["r3"] == on["r1"] {
		t.Errorf("on %s, which is cordoned", now["r3"])
	}
}

// A plan that does not apply leaves nothing behind: all are placed by the next.
func TestRelated_PlanFails(t *testing.T) {
	s := relatedStage(t)
	for _, id := range []berth.RequestID{"r1", "r2", "r3"} {
		s.ask(id, apart("rack"))
	}
	s.want(false, "r1", "r2")
	s.want(true, "r1", "r2")
	s.want(true)
}

// What is to be near to others waits until one of them comes.
func TestRelated_NearWaits(t *testing.T) {
	s := relatedStage(t)
	s.ask("near", func(r *berth.Request) {
		r.Labels = nil
		r.Affinity = []berth.Affinity{{Requests: web, Topology: "rack"}}
	})
	s.want(true)
	if st, _ := s.status("near"); st.Verdict == nil || st.Verdict.Reasons[0].Code != berth.ReasonAffinity || st.Verdict.NeverFits {
		t.Errorf("waits for %+v", st.Verdict)
	}
	s.ask("web", func(*berth.Request) {})
	on := s.want(true, "web")
	near := s.want(true, "near")
	if a, b := s.fleet.Worker(on["web"]).Labels["rack"], s.fleet.Worker(near["near"]).Labels["rack"]; a != b {
		t.Errorf("in rack %s, want %s", b, a)
	}
}

// A spread that waits for room in a rack goes on when that rack is no more: its
// workers are cordoned, lost, or in another one.
func TestRelated_SpreadWithoutItsRack(t *testing.T) {
	for name, vanish := range map[string]func(*stage, berth.WorkerID){
		"cordoned": func(s *stage, w berth.WorkerID) { s.tell(intentKey(w), &berth.Intent{Cordon: true}) },
		"lost":     func(s *stage, w berth.WorkerID) { s.tell(workerKey(w), nil) },
		"moved":    func(s *stage, w berth.WorkerID) { s.rack(w, "a") },
	} {
		t.Run(name, func(t *testing.T) {
			s := relatedStage(t)
			for i := range 6 {
				s.ask(berth.RequestID(fmt.Sprintf("filler%d", i)), func(r *berth.Request) {
					r.Labels = nil
					if r.Constraints = []berth.Constraint{{Label: "rack", Operator: "in", Values: []string{"b"}}}; i == 5 {
						r.Constraints[0].Values[0] = "a"
					}
				})
			}
			s.place(true)
			even := func(r *berth.Request) { r.Spread = []berth.Spread{{Requests: *web, Topology: "rack"}} }
			for _, id := range []berth.RequestID{"r1", "r2"} {
				s.ask(id, even)
			}
			s.want(true, "r1")
			s.want(true)
			for i := 5; i < 10; i++ {
				vanish(s, berth.WorkerID(fmt.Sprintf("w%d", i)))
			}
			s.want(true, "r2")
		})
	}
}

// Whoever is on a worker whose ledger is newer than the watch is not known yet: what
// must be apart waits for that.
func TestRelated_LedgerAheadOfTheWatch(t *testing.T) {
	s := relatedStage(t)
	for i := range 9 { // w9 alone is left
		s.tell(intentKey(berth.WorkerID(fmt.Sprintf("w%d", i))), &berth.Intent{Cordon: true})
	}
	s.place(true)
	ledger, _ := s.view.ledger("w9")
	s.tell(ledgerKey("w9"), ledger) // another daemon's, by the answer of a conflict
	s.ask("r1", apart(berth.TopologyHost))
	s.ask("plain", func(r *berth.Request) { r.Resources.CPUMilli = 0 })
	if p := s.step(); len(p.Places) != 1 || p.Places[0].Request != "plain" {
		t.Fatalf("placed %+v before the watch has told who is there", p.Places)
	}
	s.fleet.Count("w9", map[string]string{"app": "web"}, -1) // plain is given up
	s.want(true, "r1")
}

// The counts are those of the view, whatever comes in which order.
func TestRelated_CountsFollowTheView(t *testing.T) {
	s := relatedStage(t)
	s.ask("r1", apart("rack"))
	on := s.want(true, "r1")["r1"]
	a, _ := s.view.allocation(on, "r1")
	next := *a
	next.State = berth.StateRunning
	s.tell(allocationKey(on, "r1"), &next) // a report moves nothing
	s.tell(requestKey("r1"), nil)          // then, without its request, it has no labels
	s.ask("r2", apart("rack"))
	s.ask("r3", apart("rack"))
	s.ask("r4", apart("rack"))
	s.want(true, "r2", "r3")
}

// What a plan ends is counted off once, whether the watch tells of its end before the answer, behind it, or never: others on its worker are there.
func TestRelated_EndedIsCountedOffOnce(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after bool // the view is told of the end, before the answer, or behind it
		want          int64
	}{{"before the answer", true, false, 1}, {"behind it", false, true, 1}, {"never", false, false, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			s := relatedStage(t)
			for _, id := range []berth.RequestID{"r1", "r2"} {
				s.ask(id, func(r *berth.Request) { r.Resources.CPUMilli = 10 })
			}
			on := s.want(true, "r1", "r2")
			there := func(want int64) {
				t.Helper()
				counts := s.fleet.Counts(berth.DefaultPool, *web, "rack").Of
				if sum := counts["a"] + counts["b"]; sum != want {
					t.Errorf("%d are counted, want %d", sum, want)
				}
			}
			there(2)
			b := newBuilder(s.loop, s.clock)
			b.countEnded("r1", on["r1"])
			there(1)
			if tt.before {
				s.end(on["r1"], "r1")
				there(1)
			}
			b.uncount(tt.before || tt.after)
			if tt.after {
				s.end(on["r1"], "r1")
			}
			there(tt.want)
			if len(s.loop.ending) > 0 {
				t.Errorf("left behind: %v", s.loop.ending)
			}
		})
	}
}
