package sim

import (
	"fmt"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// keeper is a policy that keeps machines for a group that waits, and for others only what is
// beside that.
type keeper interface {
	clock(ms int64)
	keep(k *berth.Keep)
	keepFor(a *gangAsk, w scheduler.Wanting, on func(machine int) []scheduler.Stay) (scheduler.Wanted, bool)
	// undoGang takes back what placeGang has placed the last time; nothing else has changed since.
	undoGang()
	// fitsUnkept says whether a machine would take a job of a kind, were nothing of it kept for a group.
	fitsUnkept(kind int, machine string) bool
	// keptOff says whether what is kept is why place found none the last time.
	keptOff() bool
	share(shape int, at place) berth.Share
}

func (f *fleetPolicy) kind(k kind) int {
	r := f.requests[k.shape]
	if k.lasts > 0 {
		r.RunLimitMS = k.lasts - r.StartTimeoutMS - r.StopTimeoutMS
	}
	if k.in.Link != "" {
		r.Resources = r.Resources.InLink(k.in.Link)
	}
	if k.in.Label != "" {
		r.Constraints = []berth.Constraint{{Label: k.in.Label, Operator: berth.OperatorIn, Values: []string{k.in.Value}}}
	}
	f.requests = append(f.requests, r)
	return len(f.requests) - 1
}

// gang is a group as the scheduler is asked for it.
func (f *fleetPolicy) gang(a *gangAsk) scheduler.Gang {
	out := scheduler.Gang{Need: a.need, Topology: a.topology, Linked: a.linked, Members: make([]scheduler.Candidate, a.count)}
	of := &berth.Membership{ID: idOf(a.group), Size: int64(a.count), MinCount: int64(a.need), Topology: a.topology, Linked: a.linked}
	requests := make([]berth.Request, a.count)
	for i := range requests {
		requests[i] = f.requests[a.kind]
		requests[i].Group = of
		requests[i].ID = berth.RequestID(fmt.Sprintf("%s.%03d", of.ID, i))
		out.Members[i] = scheduler.Candidate{Request: &requests[i], Again: a.again}
	}
	return out
}

func (f *fleetPolicy) placeGang(a *gangAsk) (out gangAnswer) {
	d := f.fleet.PlaceGang(f.gang(a))
	f.gangPlaced = d
	if v := d.Verdict; v != nil {
		return gangAnswer{lacks: max(a.need-d.Fit, 1), never: v.NeverFits, keptOff: tellsKept(v)}
	}
	for i := range d.Placed {
		at := f.placeOf(&d.Placed[i])
		at.gpus = slices.Clone(at.gpus)
		out.places = append(out.places, at)
	}
	out.domain, out.link = d.Domain, d.Link
	return out
}

// room bounds how many jobs of a group a machine could take.
func (f *fleetPolicy) room(a *gangAsk, machine int) int {
	one := *a
	one.count = 1
	return f.fleet.RoomFor(f.gang(&one).Members[0], berth.WorkerID(f.names[machine]))
}

func (f *fleetPolicy) clock(ms int64) { f.fleet.SetClock(ms) }

func (f *fleetPolicy) keep(k *berth.Keep) { f.fleet.Keep(berth.DefaultPool, k) }

func (f *fleetPolicy) keepFor(a *gangAsk, w scheduler.Wanting, on func(machine int) []scheduler.Stay) (scheduler.Wanted, bool) {
	w.Gang = f.gang(a)
	return f.fleet.KeepFor(w, func(id berth.WorkerID) []scheduler.Stay { return on(f.machines[id]) })
}

func (f *fleetPolicy) undoGang() { f.fleet.Undo(f.gangPlaced) }

func (f *fleetPolicy) fitsUnkept(kind int, machine string) bool {
	return f.fleet.FitsUnkept(scheduler.Candidate{Request: &f.requests[kind], Again: true}, berth.WorkerID(machine))
}

func (f *fleetPolicy) keptOff() bool { return f.off }

func tellsKept(v *berth.Verdict) bool {
	return slices.ContainsFunc(v.Reasons, func(r berth.Reason) bool { return r.Code == berth.ReasonKept })
}

func (f *fleetPolicy) evictForGang(a *gangAsk, priority int32, patience int64, on func(machine int) []scheduler.Occupant) (scheduler.GangRoom, bool) {
	g := f.gang(a)
	g.Beside = a.beside
	for i := range g.Members {
		g.Members[i].Priority, g.Members[i].Patience = priority, patience
	}
	return f.fleet.PreemptGang(g, func(w berth.WorkerID) []scheduler.Occupant { return on(f.machines[w]) })
}
