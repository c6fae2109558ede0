package daemon

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// A basis is encoded while the loop goes on: nothing in it may change with the fleet.
// Two of 360 placements were decided otherwise when they were replayed, for the basis
// told of a worker as it was seated a moment later.
func TestPlanBasis_StaysAsItWas(t *testing.T) {
	l := roomy(t)
	fw := *l.fleet.Worker("w")
	fw.Foreign = true // of a daemon that was there when it was seated
	l.fleet.Put(fw)
	l.oddUntilSeated("w")
	b := newBuilder(l, time.Now())
	s := submissionOf(t, l, "r")
	w := &waiting{id: "r", request: &s.record.Spec}
	if d := b.decide(w, w.candidate()); d.Worker != "w" {
		t.Fatalf("placed on %q", d.Worker)
	}
	if seats := b.basis.record.Seats; len(seats) != 1 || seats[0].Foreign == nil || !*seats[0].Foreign {
		t.Fatalf("seats are %+v; want a worker of another daemon's share", seats)
	}
	before := encoded(t, b.basis.record)
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	if l.fleet.Worker("w").Foreign {
		t.Fatal("seated anew, it is still another daemon's")
	}
	if after := encoded(t, b.basis.record); after != before {
		t.Errorf("the basis was\n%s\nand is\n%s", before, after)
	}
}

// An answer tells that an operator's intent is gone before the watch has told that it was there:
// a plan at the view's revision, where the record stands, tells that it knows better. Ten of
// 408 placements were decided otherwise when they were replayed: on another worker than the one
// that was cordoned then, and known to be free again.
func TestPlanBasis_GoneBeforeItWasKnown(t *testing.T) {
	l := roomy(t)
	const at = 3
	l.take(etcdstore.Delta{Revision: at})
	l.takeFact(berth.Fact{Key: intentKey("w"), Mod: at + 9})
	want := map[string]berth.Revision{"intents/w": at + 9}
	told := func() map[string]berth.Revision { return l.planBasis(newBuilder(l, time.Now())).record.Overlay }
	if got := told(); !maps.Equal(got, want) {
		t.Errorf("the overlay is %v, want %v", got, want)
	}
	cordon := berth.Fact{Key: intentKey("w"), Record: &berth.Intent{Cordon: true}, Create: at + 2, Mod: at + 2}
	l.take(etcdstore.Delta{Facts: []berth.Fact{cordon}, Revision: at + 5})
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	if got := told(); !maps.Equal(got, want) || l.fleet.Worker("w").Cordoned {
		t.Errorf("of a view that has passed the cordon the overlay is %v, want %v", got, want)
	}
	l.take(etcdstore.Delta{Revision: at + 9})
	if got := told(); len(got) > 0 {
		t.Errorf("of a view that has passed its end the overlay is %v", got)
	}
}

// What only a daemon knows of a worker is told until the fleet has it, though nobody
// has looked at the worker: a group is placed before what is due.
func TestPlanBasis_StartsNotLookedAt(t *testing.T) {
	l := roomy(t)
	l.starts["w"] = &starts{}
	fw := *l.fleet.Worker("w")
	fw.Suspended = true
	l.fleet.Put(fw)
	l.startWorked("w", "r")
	p := l.planBasis(newBuilder(l, time.Now()))
	if seats := p.record.Seats; len(seats) != 1 || !seats[0].Suspended {
		t.Errorf("seats are %+v; want the suspended one", seats)
	}
}

// What plans without an answer have reserved is told, and what an unlucky decision has:
// the fleet has it, and no record.
func TestPlanBasis_TellsWhatIsInFlight(t *testing.T) {
	l := roomy(t)
	s := submissionOf(t, l, "r")
	w := &waiting{id: "r", request: &s.record.Spec}
	newBuilder(l, time.Now()).decide(w, w.candidate())
	p := l.planBasis(newBuilder(l, time.Now()))
	if b := p.record; len(b.Steps) != 1 || b.Steps[0].Worker != "w" || b.Shares[b.Steps[0].Share].CPUMilli != 100 {
		t.Errorf("the basis is %+v; want the reservation of r in it", b)
	}
	for range 2 { // the same once more, and another
		newBuilder(l, time.Now()).decide(w, w.candidate())
		s.record.Spec.Resources.CPUMilli = 50
	}
	p = l.planBasis(newBuilder(l, time.Now()))
	if b := p.record; len(b.Steps) != 2 || b.Steps[0].More != 1 || b.Steps[1].More != 0 || b.Shares[b.Steps[1].Share].CPUMilli != 50 {
		t.Errorf("the basis is %+v; want two equal reservations and another", b)
	}
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	if p = l.planBasis(newBuilder(l, time.Now())); len(p.record.Steps) > 0 {
		t.Errorf("the basis is %+v, though the worker was seated by its records again", p.record)
	}
}

// What is too much to be told is left out, and the decisions go on.
func TestPlanBasis_TooMuch(t *testing.T) {
	l := roomy(t)
	b := newBuilder(l, time.Now())
	p := l.planBasis(b)
	r := reservation{share: berth.Share{Quantities: berth.Quantities{CPUMilli: 1}}}
	for range basisMostBytes/20 + 1 {
		p.step("w", &r)
		p.bound()
	}
	p.narrow(p.step("w", &r), &berth.Request{Resources: berth.Demand{Devices: []berth.DeviceDemand{{Types: []string{"h100"}}}}})
	if b := p.record; !b.Partial || len(b.Steps)+len(b.Shares)+len(b.Types) > 0 || p.record.Daemon != l.d.opts.ID {
		t.Errorf("the basis is %+v", p.record)
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
