package scheduler_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// genMember draws a request with one demand for devices at most: of a gang of these all that fit are placed, see PlaceGang.
func genMember(t *rapid.T) *berth.Request {
	r := genRequest(t, "g")
	d := &r.Resources
	if d.CPUMilli+d.MemoryBytes == 0 {
		d.CPUMilli = 1
	}
	d.Devices = d.Devices[:min(len(d.Devices), 1)]
	return r
}

func gangOf(r *berth.Request, size, need int, topology string) scheduler.Gang {
	g := scheduler.Gang{Need: need, Topology: topology}
	for i := range size {
		one := *r
		one.ID = berth.RequestID(fmt.Sprintf("g.%d", i))
		g.Members = append(g.Members, ask(&one))
	}
	return g
}

// bruteRoom is how many of r a worker takes at most, by trying every way.
func bruteRoom(r *berth.Request, w scheduler.Worker, most int) int {
	return bruteRoomFrom(r, w, most, map[string]int{})
}

// bruteRoomFrom knows what came of it where as many more were to come to devices that hold the same.
func bruteRoomFrom(r *berth.Request, w scheduler.Worker, most int, known map[string]int) (best int) {
	key := fmt.Sprint(most, w.Ledger.Reserved.Devices)
	if best, ok := known[key]; ok || most == 0 || !bruteFits(r, w) {
		return best
	}
	ports, _ := brutePorts(r, w)
	bruteDevices(w, r.Resources.Devices, func(devices []berth.DeviceShare) bool {
		next, err := w.Ledger.Reserve(berth.Share{Quantities: r.Resources.Quantities, Ports: ports, Devices: devices})
		if err != nil {
			return false
		}
		with := w
		with.Ledger = next
		best = max(best, 1+bruteRoomFrom(r, with, most-1, known))
		return best == most
	})
	known[key] = best
	return best
}

// bruteGang is how many members have places at most, in one domain.
func bruteGang(r *berth.Request, workers []scheduler.Worker, g scheduler.Gang) (best int) {
	for _, room := range bruteRooms(r, workers, g) {
		best = max(best, room)
	}
	return best
}

// bruteRooms is how many members have places at most, in each value of the topology and link domain.
func bruteRooms(r *berth.Request, workers []scheduler.Worker, g scheduler.Gang) map[[2]string]int {
	size, links := len(g.Members), []string{""}
	if g.Linked {
		links = []string{"x", "y"} // of someLinks
	}
	rooms := map[[2]string]int{}
	for _, link := range links {
		for _, w := range workers {
			value, ok := w.Labels[g.Topology]
			if !ok && g.Topology != "" {
				continue
			}
			where := [2]string{value, link}
			rooms[where] = min(size, rooms[where]+bruteRoom(r, only(w, link), size))
		}
	}
	return rooms
}

// only is a worker whose devices of other link domains are ill.
func only(w scheduler.Worker, link string) scheduler.Worker {
	if link == "" {
		return w
	}
	w.Unhealthy = maps.Clone(w.Unhealthy)
	for _, d := range w.Ledger.Capacity.Devices {
		if d.Link != link {
			if w.Unhealthy == nil {
				w.Unhealthy = map[string]string{}
			}
			w.Unhealthy[d.Name] = "not of " + link
		}
	}
	return w
}

func genGang(t *rapid.T) (*berth.Request, scheduler.Gang) {
	r := genMember(t)
	size := rapid.IntRange(1, 5).Draw(t, "size")
	need := rapid.IntRange(1, size).Draw(t, "need")
	topology := rapid.SampledFrom([]string{"", "zone"}).Draw(t, "topology")
	linked := rapid.IntRange(0, 2).Draw(t, "all linked") == 0
	if linked {
		r.Resources.Devices = genWhole(t, r.Resources.Devices)
	}
	g := gangOf(r, size, need, topology)
	g.Linked = linked
	return r, g
}

// genWhole is a demand for whole devices, as a linked group has.
func genWhole(t *rapid.T, devices []berth.DeviceDemand) []berth.DeviceDemand {
	if len(devices) == 0 {
		devices = []berth.DeviceDemand{{Count: rapid.Int64Range(1, 2).Draw(t, "linked devices")}}
	}
	for i := range devices {
		devices[i].Milli = berth.WholeDevice
	}
	return devices
}

func TestProperty_GangPlacedIffPlacesExist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		f.SetStrategy(berth.DefaultPool, rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"))
		for range 3 {
			r, g := genGang(t)
			before := snapshot(f, workers)
			want := bruteGang(r, before, g)
			d := f.PlaceGang(g)
			if d.Fit != want || (d.Verdict == nil) != (want >= g.Need) {
				t.Fatalf("%d fit of %d, need %d; by force %d: %+v", d.Fit, len(g.Members), g.Need, want, d)
			}
			if d.Verdict != nil {
				if diff := cmp.Diff(before, snapshot(f, workers)); diff != "" || len(d.Placed) > 0 {
					t.Fatalf("what was not placed left its mark:\n%s", diff)
				}
				first, ever := d.Verdict.Reasons[0], bruteGang(r, emptied(workers), g)
				if first.Code != berth.ReasonGroup || first.Best != int64(want) || first.Want != int64(g.Need) {
					t.Fatalf("verdict %+v", d.Verdict)
				}
				if d.Verdict.NeverFits != (ever < g.Need) || d.Verdict.NeverFits && first.Ever != int64(ever) {
					t.Fatalf("never fits: %t, but %d of %d would, were all empty", d.Verdict.NeverFits, ever, g.Need)
				}
				continue
			}
			checkGang(t, r, g, d, before, snapshot(f, workers))
		}
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// emptied is the workers without anything on them, healthy and open.
func emptied(workers []scheduler.Worker) []scheduler.Worker {
	var out []scheduler.Worker
	for _, w := range workers {
		empty := worker(string(w.ID), 0, 0)
		empty.Pool, empty.Labels, empty.Taints, empty.Images, empty.Ledger.Capacity = w.Pool, w.Labels, w.Taints, w.Images, w.Ledger.Capacity
		out = append(out, empty)
	}
	return out
}

// checkGang: each ledger holds what was placed on it and no more, in one domain.
func checkGang(t *rapid.T, r *berth.Request, g scheduler.Gang, d scheduler.GangDecision, before, after []scheduler.Worker) {
	if len(d.Placed) != d.Fit {
		t.Fatalf("%d placed, %d fit", len(d.Placed), d.Fit)
	}
	for i, w := range before {
		for _, one := range d.Placed {
			if one.Worker != w.ID {
				continue
			}
			next, err := w.Ledger.Reserve(one.Share)
			if err != nil {
				t.Fatalf("%s: %v", w.ID, err)
			}
			w.Ledger = next
			if g.Topology != "" && w.Labels[g.Topology] != d.Domain {
				t.Fatalf("%s of %s is not in %s", w.ID, w.Labels[g.Topology], d.Domain)
			}
			checkAllIn(t, g, d.Link, w, one.Share)
			if one.Share.CPUMilli != r.Resources.CPUMilli || len(one.Share.Ports) != len(r.Resources.Ports) {
				t.Fatalf("share %+v", one.Share)
			}
		}
		if diff := cmp.Diff(w.Ledger, after[i].Ledger); diff != "" {
			t.Fatalf("ledger of %s:\n%s", w.ID, diff)
		}
	}
}

// checkAllIn: the devices of a linked gang are all of its link domain.
func checkAllIn(t *rapid.T, g scheduler.Gang, link string, w scheduler.Worker, share berth.Share) {
	if g.Linked == (link == "") {
		t.Fatalf("linked: %t, in %q", g.Linked, link)
	}
	for _, s := range share.Devices {
		i := slices.IndexFunc(w.Ledger.Capacity.Devices, func(d berth.Device) bool { return d.Name == s.Name })
		if g.Linked && w.Ledger.Capacity.Devices[i].Link != link {
			t.Fatalf("%s of %s is not in %s", s.Name, w.ID, link)
		}
	}
}

func snapshot(f *scheduler.Fleet, workers []scheduler.Worker) []scheduler.Worker {
	out := make([]scheduler.Worker, len(workers))
	for i, w := range workers {
		out[i] = *f.Worker(w.ID)
	}
	return out
}

// The same workers in another order give the same places.
func TestProperty_GangWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		_, g := genGang(t)
		first := fleet(workers...).PlaceGang(g)
		again := fleet(rapid.Permutation(workers).Draw(t, "order")...).PlaceGang(g)
		same := cmp.Equal(first.Placed, again.Placed) && first.Domain == again.Domain && first.Link == again.Link && cmp.Equal(first.Verdict, again.Verdict)
		if !same {
			t.Fatalf("%+v\n%+v", first, again)
		}
	})
}

// What was taken back leaves the fleet as it was; where a worker is given, the gang
// goes there.
func TestProperty_GangUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		_, g := genGang(t)
		before := snapshot(f, workers)
		d := f.PlaceGang(g)
		f.Undo(d)
		if diff := cmp.Diff(before, snapshot(f, workers)); diff != "" {
			t.Fatalf("after undo:\n%s", diff)
		}
		var on []berth.WorkerID
		for _, one := range d.Placed {
			on = append(on, one.Worker)
		}
		again, ok := f.PlaceGangOn(g, on)
		if !ok && len(on) > 0 {
			t.Fatalf("%+v is not placed again on %v", d, on)
		}
		for i, one := range again.Placed {
			if one.Worker != on[i] || !slices.Equal(one.Share.Ports, d.Placed[i].Share.Ports) {
				t.Fatalf("member %d on %s: %+v", i, on[i], one)
			}
			checkAllIn(t, g, again.Link, *f.Worker(one.Worker), one.Share)
		}
		f.Undo(again)
		for i, one := range d.Placed {
			if of := g.Members[i].Request.Resources.Devices; g.Linked || len(of) > 0 && of[0].Count > 1 && of[0].Milli < berth.WholeDevice {
				break // by itself it may go anywhere, and to devices of which others want parts
			}
			again, ok := f.PlaceOn(g.Members[i], one.Worker)
			if !ok || !slices.Equal(again.Share.Ports, one.Share.Ports) {
				t.Fatalf("member %d on %s: %v %+v", i, one.Worker, ok, again)
			}
		}
	})
}
