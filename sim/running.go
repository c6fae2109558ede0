package sim

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// Running is what runs on a machine when a trace begins.
type Running struct {
	Machine   string
	CPUMilli  int64
	MemoryMiB int64
	GPUMilli  []int64 // of each of the machine's GPUs; fewer: none of the others
	RunMS     int64   // so long it runs yet; 0: to the end
	AgeMS     int64   // so long it has run
	EndsMS    int64   // it has ended by then at the latest, as its run limit says; 0: nothing does
	LeavesMS  int64   // it was told to stop, and has ended by then; 0: it was not
	Tenant    string  // whose it is; empty: nobody's
}

// held is a Running on a machine of a cluster.
type held struct {
	*Running
	machine int
}

// StartWith says what runs when the trace begins.
func (t *Trace) StartWith(running []Running) error { return t.startWith(running, nil) }

// startWith says besides which rows of the trace have their places then.
func (t *Trace) startWith(running []Running, rows []*Standing) error {
	t.running = nil
	full := t.cluster.clone()
	for i := range running {
		h, err := full.found(&running[i])
		if err != nil {
			return err
		}
		t.running = append(t.running, *h)
	}
	return t.stand(rows, full)
}

// hold reserves what runs already.
func (c *cluster) hold(h *held) error {
	m := &c.machines[h.machine]
	over := h.CPUMilli > m.cpu || h.MemoryMiB > m.memory || len(h.GPUMilli) > len(m.free)
	for g := 0; g < len(h.GPUMilli) && !over; g++ {
		over = h.GPUMilli[g] > m.free[g]
	}
	if over {
		return fmt.Errorf("more runs on %s than it has", c.names[h.machine])
	}
	c.change(h, -1)
	return nil
}

// change adds what h holds to what is free, or takes it off.
func (c *cluster) change(h *held, sign int64) {
	m := &c.machines[h.machine]
	m.cpu += sign * h.CPUMilli
	m.memory += sign * h.MemoryMiB
	for g, milli := range h.GPUMilli {
		m.free[g] += sign * milli
	}
	c.changes++
	m.version = c.changes
}

// share is what h holds, as the scheduler has it.
func (h *held) share() berth.Share {
	s := berth.Share{Quantities: berth.Quantities{CPUMilli: h.CPUMilli, MemoryBytes: h.MemoryMiB << 20}}
	for g, milli := range h.GPUMilli {
		if milli > 0 {
			s.Devices = append(s.Devices, berth.DeviceShare{Name: gpuName(g), Milli: milli})
		}
	}
	slices.SortFunc(s.Devices, func(a, b berth.DeviceShare) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// begin lets what runs already run, and notes when it ends: as endings of negative jobs.
func (r *replay) begin() error {
	for i := range r.running {
		h := &r.running[i]
		if err := r.cluster.hold(h); err != nil {
			return err
		}
		if err := r.policy.hold(h); err != nil {
			return err
		}
		r.turns.hold(h.Tenant, h.bulk(), 1)
		if r.gangs != nil {
			r.gangs.keep.began(h)
		}
		r.seatLeaving(h, 1)
		if h.RunMS > 0 {
			heap.Push(&r.ends, ending{at: r.jobs[0].ArrivalMS + h.RunMS, job: -1 - i})
		}
	}
	if err := r.beginStanding(); err != nil {
		return err
	}
	r.keepAsFound()
	return nil
}

// endRunning ends what ran from the beginning.
func (r *replay) endRunning(job int) {
	h := &r.running[-1-job]
	r.cluster.change(h, 1)
	r.policy.release(h)
	r.emptied = append(r.emptied, h.machine)
	r.turns.hold(h.Tenant, h.bulk(), -1)
	r.seatLeaving(h, -1)
	if r.gangs != nil {
		r.gangs.keep.ended(h)
		r.gangs.gives(h.machine)
	}
}

// seatLeaving counts what was told to stop as what ends anyway, for who makes room.
func (r *replay) seatLeaving(h *held, by int64) {
	if e := r.evictions; h.LeavesMS > 0 && e.by != nil {
		o := leavingOf(h)
		e.by.seat(h.machine, &o, by)
	}
}
