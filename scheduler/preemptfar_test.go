package scheduler_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// useless are the workers of TestPreempt_BehindTheUseless where nobody may end who has what is wanted: more
// than are ever looked at closely, and the first by id.
const useless = 1100

// Room is made for a request on the last of many workers, where on the others only what it has no use of
// could come free, though that be fewer ends.
func TestPreempt_BehindTheUseless(t *testing.T) {
	for name, tt := range map[string]struct {
		share berth.Share // of what is wanted, on each worker
		want  berth.Demand
	}{
		"devices": {
			berth.Share{Devices: []berth.DeviceShare{{Name: "g0", Milli: 1000}, {Name: "g1", Milli: 1000}}},
			berth.Demand{Devices: []berth.DeviceDemand{{Types: []string{"h100"}, Count: 1, Milli: 1000}}},
		},
		"parts of devices": {
			berth.Share{Devices: []berth.DeviceShare{{Name: "g0", Milli: 600}, {Name: "g1", Milli: 600}}},
			berth.Demand{Devices: []berth.DeviceDemand{{Count: 1, Milli: 500}}},
		},
		"custom": {
			berth.Share{Quantities: berth.Quantities{Custom: map[string]int64{"licence": 8}}},
			berth.Demand{Quantities: berth.Quantities{Custom: map[string]int64{"licence": 1}}},
		},
		"ports": {
			berth.Share{Ports: []int32{80}},
			berth.Demand{Ports: []berth.PortDemand{{Name: "p", Number: 80}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, who := scheduler.NewFleet(), crowd{}
			for i := range useless + 1 {
				w := worker(fmt.Sprintf("w%04d", i), 8, 1)
				c := &w.Ledger.Capacity
				c.Devices = []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}}
				c.Custom, c.Ports = map[string]int64{"licence": 8}, berth.PortRange{First: 80, Last: 90}
				f.Put(w)
				o := scheduler.Occupant{Priority: 5, Share: tt.share}
				if i == useless {
					o.Priority = 1
				}
				who.held(f, w.ID, fmt.Sprintf("has%04d", i), 2, o)
				who.held(f, w.ID, fmt.Sprintf("small%04d", i), 1, scheduler.Occupant{})
			}
			r := request("c", 1, 0)
			tt.want.CPUMilli = 1
			r.Resources = tt.want
			c := scheduler.Candidate{Request: r, Priority: 5}
			if d := f.Place(c); d.Verdict == nil {
				t.Fatalf("placed on %s: of what it wants nothing is free", d.Worker)
			}
			d, ok := f.Preempt(c, who.on)
			if want := fmt.Sprintf("has%04d", useless); !ok || len(d.Victims) != 1 || string(d.Victims[0]) != want {
				t.Errorf("found %t, victims %v; want %s", ok, d.Victims, want)
			}
			g := gangOf(r, 1, 1, "")
			g.Members[0].Priority = 5
			room, ok := f.PreemptGang(g, who.on)
			if want := fmt.Sprintf("has%04d", useless); !ok || len(room.Victims) != 1 || string(room.Victims[0]) != want {
				t.Errorf("a group: found %t, victims %v; want %s", ok, room.Victims, want)
			}
		})
	}
}

// Where other requests are, no sum tells: the workers behind the most promising are looked at, too.
func TestPreempt_BehindTheRelated(t *testing.T) {
	f, who, last := scheduler.NewFleet(), crowd{}, 200
	for i := range last + 1 {
		w := worker(fmt.Sprintf("w%03d", i), 8, 1)
		f.Put(w)
		o := scheduler.Occupant{Priority: 5}
		if i < last {
			o.Labels = map[string]string{"app": "x"}
		}
		who.held(f, w.ID, fmt.Sprintf("stays%03d", i), 1, o)
		who.held(f, w.ID, fmt.Sprintf("small%03d", i), 7, scheduler.Occupant{})
	}
	r := request("c", 1, 0)
	r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "x"}, Topology: berth.TopologyHost}}
	d, ok := f.Preempt(scheduler.Candidate{Request: r, Priority: 5}, who.on)
	if want := fmt.Sprintf("small%03d", last); !ok || len(d.Victims) != 1 || string(d.Victims[0]) != want {
		t.Errorf("found %t, victims %v; want %s", ok, d.Victims, want)
	}
}

// TestProperty_PreemptAmongMany: of more workers than are looked at closely room is found on some if and only if it can be
// made on one of them.
func TestProperty_PreemptAmongMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var workers []scheduler.Worker
		for i := range rapid.IntRange(65, 90).Draw(t, "workers") {
			w := worker(fmt.Sprintf("w%02d", i), 4, 4)
			c := &w.Ledger.Capacity
			c.Custom, c.Ports = map[string]int64{"licence": 2}, berth.PortRange{First: 80, Last: 83}
			for j := range 3 {
				d := berth.Device{Name: fmt.Sprintf("g%d", j), Type: deviceTypes[min(j, 1)], MemoryBytes: int64(j)}
				if j > 0 {
					d.Link = "x"
				}
				c.Devices = append(c.Devices, d)
			}
			workers = append(workers, w)
		}
		f, who := fleet(workers...), crowd{}
		kinds := make([]*berth.Request, 4)
		for i := range kinds {
			kinds[i] = genRequest(t, "")
			kinds[i].AffinityKey, kinds[i].Image, kinds[i].Constraints = "", "", nil
		}
		for i := range rapid.IntRange(len(workers), 6*len(workers)).Draw(t, "occupants") {
			r := *kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")]
			r.ID = berth.RequestID(fmt.Sprintf("o%03d", i))
			who.seat(f, &r, scheduler.Occupant{Priority: max(rapid.Int32Range(-1, 3).Draw(t, "less"), 0)})
		}
		c := genPreemptor(t)
		c.Priority = rapid.Int32Range(1, 3).Draw(t, "of priority")
		if fitsNow(c, f, workers) {
			return
		}
		on := berth.WorkerID("")
		for _, w := range workers {
			if f.CanPreemptOn(c, w.ID, who.on) {
				on = w.ID
				break
			}
		}
		if d, ok := f.Preempt(c, who.on); ok != (on != "") {
			t.Fatalf("found %t %+v; room can be made on %q", ok, d, on)
		}
	})
}

// BenchmarkPreempt_InVain has workers on each of which much could end, and it would help nobody: a request of
// the candidate's own priority, which it must not be near, stays.
func BenchmarkPreempt_InVain(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("workers=%d", n), func(b *testing.B) {
			f, who := scheduler.NewFleet(), crowd{}
			for i := range n {
				id := fmt.Sprintf("w%05d", i)
				f.Put(worker(id, 20_000, 1<<40))
				for j := range 20 {
					o := scheduler.Occupant{Priority: int32(j % 3)}
					if j == 0 {
						o.Priority, o.Labels = 10, map[string]string{"app": "x"}
					}
					who.held(f, berth.WorkerID(id), fmt.Sprintf("%s-%d", id, j), 1000, o)
				}
			}
			c := scheduler.Candidate{Request: request("c", 10_000, 0), Priority: 10}
			c.Request.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "x"}, Topology: berth.TopologyHost}}
			b.ReportAllocs()
			for b.Loop() {
				if d, ok := f.Preempt(c, who.on); ok {
					b.Fatal(d.Victims)
				}
			}
		})
	}
}
