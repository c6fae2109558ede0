package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// beside is a worker of which something is kept for a group, and who has others make room there.
type beside struct {
	runs, leaves []berth.Share // with ids "r0" ..., "l0" ...
	kept         berth.Share
	wants        *berth.Request
}

// told are who runs and is told to stop, and of who leaves anyway those who are waited for.
func (b *beside) told(capacity berth.Capacity) (told, awaited string, found bool) {
	f := scheduler.NewFleet()
	w := scheduler.Worker{ID: "w", Epoch: 1, Pool: berth.DefaultPool, Ready: true, Ledger: berth.Ledger{Epoch: 1, Capacity: capacity}}
	var all []scheduler.Occupant
	there := func(prefix string, shares []berth.Share, level int32) {
		for i := range shares {
			o := scheduler.Occupant{Request: berth.RequestID(fmt.Sprint(prefix, i)), Placed: int64(i), Share: shares[i], Leaving: level == scheduler.PriorityLeaving}
			all = append(all, o)
			var err error
			if w.Ledger, err = w.Ledger.Reserve(shares[i]); err != nil {
				panic(err)
			}
			f.Occupy("w", level, &shares[i], 1)
		}
	}
	there("r", b.runs, 0)
	there("l", b.leaves, scheduler.PriorityLeaving)
	f.Put(w)
	f.Keep(berth.DefaultPool, &berth.Keep{Group: "g", Workers: []berth.KeptWorker{{Worker: "w", Share: b.kept}}})
	c := ask(b.wants)
	c.Priority = 9
	d, ok := f.Preempt(c, func(berth.WorkerID) []scheduler.Occupant { return all })
	for _, id := range d.Victims {
		if id[0] == 'r' {
			told += string(id)
		} else {
			awaited += string(id)
		}
	}
	return told, awaited, ok
}

// Of what leaves, what is kept for a group takes as much as it lacks, and no more: the rest is enough for who would have others make room, and nobody is
// told to stop. A reviewer found it.
func TestPreempt_MoreLeavesThanIsKept(t *testing.T) {
	t.Parallel()
	cores := func(n int64) berth.Share { return berth.Share{Quantities: berth.Quantities{CPUMilli: n}} }
	and := func(s berth.Share, change func(*berth.Share)) berth.Share { change(&s); return s }
	memory := func(n int64) func(*berth.Share) { return func(s *berth.Share) { s.MemoryBytes = n } }
	custom := func(n int64) func(*berth.Share) { return func(s *berth.Share) { s.Custom = map[string]int64{"x": n} } }
	gpu := func(name string) func(*berth.Share) {
		return func(s *berth.Share) { s.Devices = []berth.DeviceShare{{Name: name, Milli: berth.WholeDevice}} }
	}
	port := func(n int32) func(*berth.Share) { return func(s *berth.Share) { s.Ports = []int32{n} } }
	wantsGPU := func(r *berth.Request) {
		r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"t"}, Count: 1, Milli: berth.WholeDevice}}
	}
	wantsPort := func(r *berth.Request) { r.Resources.Ports = []berth.PortDemand{{Name: "p", Number: 81}} }
	for name, tt := range map[string]struct {
		runs, leaves  []berth.Share
		kept          berth.Share
		wants         int64
		also          func(*berth.Request)
		told, awaited string
	}{
		"nothing is kept": {[]berth.Share{cores(6)}, []berth.Share{cores(4)}, berth.Share{}, 4, nil, "", "l0"},
		"enough for both": {[]berth.Share{cores(6)}, []berth.Share{cores(4)}, cores(1), 3, nil, "", "l0"},
		"too little":      {[]berth.Share{cores(6)}, []berth.Share{cores(4)}, cores(1), 4, nil, "r0", ""},
		"too little, and what runs is not enough":   {[]berth.Share{cores(2), cores(4)}, []berth.Share{cores(4)}, cores(1), 6, nil, "r1", "l0"},
		"of two the first is the group's":           {[]berth.Share{cores(4)}, []berth.Share{cores(3), cores(3)}, cores(3), 3, nil, "", "l1"},
		"of two a part of the first":                {[]berth.Share{cores(4)}, []berth.Share{cores(3), cores(3)}, cores(2), 4, nil, "", "l0l1"},
		"a byte of memory is lacking":               {[]berth.Share{and(cores(6), memory(90))}, []berth.Share{and(cores(4), memory(10))}, and(berth.Share{}, memory(1)), 4, nil, "", "l0"},
		"one custom resource is":                    {[]berth.Share{and(cores(6), custom(2))}, []berth.Share{and(cores(4), custom(2))}, and(berth.Share{}, custom(1)), 4, nil, "", "l0"},
		"a core is, of who leaves with a device":    {[]berth.Share{and(cores(6), gpu("g0"))}, []berth.Share{and(cores(4), gpu("g1"))}, cores(1), 3, wantsGPU, "", "l0"},
		"that device is kept":                       {[]berth.Share{and(cores(6), gpu("g0"))}, []berth.Share{and(cores(4), gpu("g1"))}, and(cores(1), gpu("g1")), 3, wantsGPU, "r0", ""},
		"another is, whose holder runs":             {[]berth.Share{and(cores(6), gpu("g0"))}, []berth.Share{and(cores(4), gpu("g1"))}, and(cores(1), gpu("g0")), 3, wantsGPU, "", "l0"},
		"a core is, of who leaves with a port":      {[]berth.Share{cores(6)}, []berth.Share{and(cores(4), port(81))}, cores(1), 3, wantsPort, "", "l0"},
		"a port is, which nobody else asks for":     {[]berth.Share{cores(6)}, []berth.Share{and(cores(4), port(80))}, and(berth.Share{}, port(80)), 4, nil, "", "l0"},
		"who leaves wholly for the group goes, too": {[]berth.Share{cores(6)}, []berth.Share{cores(4)}, cores(4), 4, nil, "r0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := beside{tt.runs, tt.leaves, tt.kept, request("h", tt.wants, 0)}
			if tt.also != nil {
				tt.also(b.wants)
			}
			told, awaited, _ := b.told(berth.Capacity{
				Quantities: berth.Quantities{CPUMilli: 10, MemoryBytes: 100, Custom: map[string]int64{"x": 4}},
				Ports:      berth.PortRange{First: 80, Last: 81}, Devices: []berth.Device{{Name: "g0", Type: "t"}, {Name: "g1", Type: "t"}},
			})
			if told != tt.told || awaited != tt.awaited {
				t.Errorf("%q are told to stop and %q awaited, want %q and %q", told, awaited, tt.told, tt.awaited)
			}
		})
	}
}

// TestProperty_BesideWhatIsKept: nobody is told to stop where what is free and what leaves is enough for what is kept and for who asks; and whoever ends
// leaves what is kept as much as it had of both.
func TestProperty_BesideWhatIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		share := func(most int64, name string) berth.Share {
			of := rapid.Int64Range(0, most)
			return berth.Share{Quantities: berth.Quantities{CPUMilli: of.Draw(t, name), MemoryBytes: of.Draw(t, name), DiskBytes: of.Draw(t, name)}}
		}
		const whole = 20
		shares := func(name string) (all []berth.Share) {
			for i := range rapid.IntRange(0, 3).Draw(t, name) {
				all = append(all, share(whole/6, fmt.Sprint(name, i)))
			}
			return all
		}
		b := beside{runs: shares("runs"), leaves: shares("leaves"), kept: share(whole, "kept"), wants: request("h", 0, 0)}
		b.wants.Resources.Quantities = share(whole, "wants").Quantities
		told, awaited, found := b.told(berth.Capacity{Quantities: berth.Quantities{CPUMilli: whole, MemoryBytes: whole, DiskBytes: whole}})
		var ended []string
		for i := 0; i < len(told+awaited); i += 2 {
			ended = append(ended, (told + awaited)[i:i+2])
		}
		for _, of := range []func(*berth.Quantities) int64{
			func(q *berth.Quantities) int64 { return q.CPUMilli }, func(q *berth.Quantities) int64 { return q.MemoryBytes }, func(q *berth.Quantities) int64 { return q.DiskBytes },
		} {
			by, ends := int64(whole), int64(0) // what is free, or comes free by itself; and of whom one waits or who stops
			for i := range b.runs {
				by -= of(&b.runs[i].Quantities)
				if slices.Contains(ended, fmt.Sprint("r", i)) {
					ends += of(&b.runs[i].Quantities)
				}
			}
			if found && by+ends-of(&b.wants.Resources.Quantities) < min(by, of(&b.kept.Quantities)) {
				t.Fatalf("what is kept has not what was free, or leaves: %s end, and %s are awaited: %+v", told, awaited, b)
			}
		}
		enough, err := b.kept.Quantities.Plus(b.wants.Resources.Quantities)
		for i := range b.runs {
			if err == nil {
				enough, err = enough.Plus(b.runs[i].Quantities)
			}
		}
		if err == nil && enough.Within(berth.Quantities{CPUMilli: whole, MemoryBytes: whole, DiskBytes: whole}) && told != "" {
			t.Fatalf("%s are told to stop, and there is enough without: %+v", told, b)
		}
	})
}
