package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// fleetPolicy is Berth's scheduler, which knows the machines as workers and nothing of
// the trace.
type fleetPolicy struct {
	fleet      *scheduler.Fleet
	machines   map[berth.WorkerID]int
	names      []string        // of the machines
	requests   []berth.Request // by shape, and behind these by kind
	asked      int
	off        bool                   // see keeper.keptOff
	gangPlaced scheduler.GangDecision // the last, see keeper.undoGang
	gpus       []int
}

func newFleetPolicy(p *workload, c *cluster) (*fleetPolicy, error) {
	f := &fleetPolicy{fleet: scheduler.NewFleet(), names: c.names, machines: make(map[berth.WorkerID]int)}
	kinds := make(map[int]string)
	for name, n := range p.models {
		kinds[n] = name
	}
	for i := range c.machines {
		m := &c.machines[i]
		w := scheduler.Worker{ID: berth.WorkerID(c.names[i]), Epoch: 1, Pool: berth.DefaultPool, Ready: true, Labels: c.labels[i]}
		w.Ledger = berth.Ledger{Epoch: 1, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: m.cpu, MemoryBytes: m.memory << 20}}}
		for g := range m.free {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: gpuName(g), Type: kinds[m.modelOf(g)], Link: c.links[i]})
		}
		if err := w.Ledger.Capacity.Validate(); err != nil {
			return nil, fmt.Errorf("machine %s: %w", c.names[i], err)
		}
		f.fleet.Put(w)
		f.machines[w.ID] = i
	}
	for i := range p.shapes {
		f.requests = append(f.requests, requestOf(&p.shapes[i]))
	}
	return f, nil
}

func gpuName(g int) string { return fmt.Sprintf("gpu%03d", g) }

func requestOf(s *shape) berth.Request {
	r := berth.Request{Command: []string{"pod"}}
	r.Resources.Quantities = berth.Quantities{CPUMilli: s.cpu, MemoryBytes: s.memory << 20}
	if s.gpus > 0 {
		r.Resources.Devices = []berth.DeviceDemand{{Types: s.models, Count: s.gpus, Milli: s.milli}}
	}
	return r.Normalize()
}

func (f *fleetPolicy) place(number int, again bool) (place, bool) {
	r := &f.requests[number]
	f.asked++
	r.ID = berth.RequestID("r" + strconv.Itoa(f.asked))
	d := f.fleet.Place(scheduler.Candidate{Request: r, Again: again})
	if d.Verdict != nil {
		f.off = tellsKept(d.Verdict)
		return place{}, false
	}
	return f.placeOf(&d), true
}

// placeOf is what a decision says; its gpus are those of the next call, too.
func (f *fleetPolicy) placeOf(d *scheduler.Decision) place {
	f.gpus = f.gpus[:0]
	for _, s := range d.Share.Devices {
		n, err := strconv.Atoi(s.Name[len("gpu"):])
		if err != nil {
			panic("sim: the scheduler has placed on a device that it was not given: " + s.Name)
		}
		f.gpus = append(f.gpus, n)
	}
	return place{f.machines[d.Worker], f.gpus}
}

func (f *fleetPolicy) end(number int, at place) { f.give(at.machine, f.share(number, at)) }

func (f *fleetPolicy) share(number int, at place) berth.Share {
	d := &f.requests[number].Resources
	share := berth.Share{Quantities: d.Quantities}
	for _, g := range at.gpus {
		share.Devices = append(share.Devices, berth.DeviceShare{Name: gpuName(g), Milli: d.Devices[0].Milli})
	}
	slices.SortFunc(share.Devices, func(a, b berth.DeviceShare) int { return strings.Compare(a.Name, b.Name) })
	return share
}

func (f *fleetPolicy) seat(machine int, o *scheduler.Occupant, by int64) {
	f.fleet.Occupy(berth.WorkerID(f.names[machine]), o.Priority, &o.Share, by)
}

func (f *fleetPolicy) keepsRoomOff(number int, priority int32, machine string, on func(machine int) []scheduler.Occupant) bool {
	c := scheduler.Candidate{Request: &f.requests[number], Priority: priority}
	return f.fleet.CanPreemptUnkept(c, berth.WorkerID(machine), func(w berth.WorkerID) []scheduler.Occupant { return on(f.machines[w]) })
}

func (f *fleetPolicy) evict(number int, priority int32, on func(machine int) []scheduler.Occupant) []berth.RequestID {
	c := scheduler.Candidate{Request: &f.requests[number], Priority: priority}
	d, ok := f.fleet.Preempt(c, func(w berth.WorkerID) []scheduler.Occupant { return on(f.machines[w]) })
	if !ok {
		return nil
	}
	return d.Victims
}

// give releases a share of a machine.
func (f *fleetPolicy) give(machine int, share berth.Share) {
	w := *f.fleet.Worker(berth.WorkerID(f.names[machine]))
	ledger, err := w.Ledger.Release(share)
	if err != nil {
		panic("sim: what was placed cannot be released: " + err.Error())
	}
	w.Ledger = ledger
	f.fleet.Put(w)
}

func (f *fleetPolicy) hold(h *held) error {
	w := *f.fleet.Worker(berth.WorkerID(h.Machine))
	ledger, err := w.Ledger.Reserve(h.share())
	if err != nil {
		return fmt.Errorf("what runs on %s: %w", h.Machine, err)
	}
	w.Ledger = ledger
	f.fleet.Put(w)
	return nil
}

func (f *fleetPolicy) release(h *held) { f.give(h.machine, h.share()) }
