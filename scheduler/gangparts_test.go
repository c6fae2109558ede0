package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// genParts draws a worker with few devices, of which others hold parts.
func genParts(t *rapid.T, id string) scheduler.Worker {
	w := worker(id, rapid.Int64Range(2, 9).Draw(t, "cpu"), 9)
	c := &w.Ledger.Capacity
	w.Labels = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}
	for i := range rapid.IntRange(2, 4).Draw(t, "devices") {
		d := berth.Device{Name: fmt.Sprintf("g%d", i), Type: rapid.SampledFrom([]string{"a100", "a100", "a100", "h100"}).Draw(t, "type")}
		d.Link, d.MemoryBytes = rapid.SampledFrom(someLinks).Draw(t, "link"), rapid.Int64Range(1, 3).Draw(t, "device memory")
		c.Devices = append(c.Devices, d)
		if held := 100 * rapid.Int64Range(-3, 7).Draw(t, "held"); held > 0 {
			w.Ledger.Reserved.Devices = append(w.Ledger.Reserved.Devices, berth.DeviceShare{Name: d.Name, Milli: held})
			w.Ledger.Count = 1
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "ill") == 0 {
		w.Unhealthy = map[string]string{"g1": "ecc"}
	}
	return w
}

// genOfParts draws a member that wants parts of several devices: in one demand, or in two that no
// device serves both.
func genOfParts(t *rapid.T) *berth.Request {
	r := request("g", rapid.Int64Range(1, 2).Draw(t, "of cpu"), 0)
	inTwo := rapid.IntRange(0, 5).Draw(t, "in two domains") == 0
	for i, types := range rapid.SampledFrom([][][]string{{nil}, {{"a100"}}, {{"a100", "h100"}}, {{"a100"}, {"h100"}}}).Draw(t, "demands") {
		d := berth.DeviceDemand{
			Types: types, Count: rapid.Int64Range(1, 3).Draw(t, "count"), Milli: rapid.SampledFrom([]int64{200, 250, 300, 333, 400, 500, 700, 1000}).Draw(t, "milli"),
			MemoryBytes: max(rapid.Int64Range(-2, 2).Draw(t, "of memory"), 0),
		}
		switch {
		case inTwo:
			d.Link, d.Types = []string{"x", "y"}[i], nil
		case rapid.IntRange(0, 3).Draw(t, "in one domain") == 0:
			d.Link = "x"
		}
		r.Resources.Devices = append(r.Resources.Devices, d)
	}
	return r
}

// genGangOfParts draws so a whole gang; with left, where its members get devices of one type alone,
// so much of that.
func genGangOfParts(t *rapid.T) (*berth.Request, scheduler.Gang) {
	r := genOfParts(t)
	size := rapid.IntRange(1, 5).Draw(t, "size")
	g := gangOf(r, size, rapid.IntRange(1, size).Draw(t, "need"), rapid.SampledFrom([]string{"", "", "zone"}).Draw(t, "topology"))
	if len(r.Resources.Devices) == 1 && len(r.Resources.Devices[0].Types) == 1 && rapid.IntRange(0, 3).Draw(t, "quota") == 0 {
		g.Left = map[string]int64{"a100": 100 * rapid.Int64Range(0, 60).Draw(t, "left")}
	}
	return r, g
}

// bruteLeft is bruteGang of a gang that may get so much of the only type of its only demand.
func bruteLeft(r *berth.Request, workers []scheduler.Worker, g scheduler.Gang) int {
	most := len(g.Members)
	if g.Left != nil {
		d := &r.Resources.Devices[0]
		most = min(most, int(g.Left["a100"]/(d.Count*d.Milli)))
	}
	return min(most, bruteGang(r, workers, g))
}

// A gang whose members want parts of several devices is placed if and only if it has places, with as
// many members as there are: also where the devices that suit one member best leave none for the last.
func TestProperty_GangOfPartsPlacedIffPlacesExist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var workers []scheduler.Worker
		for i := range rapid.IntRange(1, 2).Draw(t, "workers") {
			workers = append(workers, genParts(t, fmt.Sprintf("w%d", i)))
		}
		f := fleet(workers...)
		f.SetStrategy(berth.DefaultPool, rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"))
		for range 2 {
			r, g := genGangOfParts(t)
			before := snapshot(f, workers)
			want := bruteLeft(r, before, g)
			d := f.PlaceGang(g)
			if d.Fit != want || (d.Verdict == nil) != (want >= g.Need) {
				t.Fatalf("%d fit of %d, need %d; by force %d: %+v", d.Fit, len(g.Members), g.Need, want, d)
			}
			if d.Verdict == nil {
				checkGang(t, r, g, d, before, snapshot(f, workers))
				checkGivenAgain(t, f, g, d)
				continue
			}
			if diff := cmp.Diff(before, snapshot(f, workers)); diff != "" || len(d.Placed) > 0 {
				t.Fatalf("what was not placed left its mark:\n%s", diff)
			}
			if ever := bruteGang(r, emptied(workers), g); g.Left == nil && d.Verdict.NeverFits != (ever < g.Need) {
				t.Fatalf("never fits: %t, but %d of %d would, were all empty", d.Verdict.NeverFits, ever, g.Need)
			}
		}
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// checkGivenAgain: where its workers are given, the gang has the same shares.
func checkGivenAgain(t *rapid.T, f *scheduler.Fleet, g scheduler.Gang, d scheduler.GangDecision) {
	var on []berth.WorkerID
	for _, one := range d.Placed {
		on = append(on, one.Worker)
	}
	f.Undo(d)
	again, ok := f.PlaceGangOn(g, on)
	if diff := cmp.Diff(d.Placed, again.Placed); !ok || diff != "" {
		t.Fatalf("placed again on %v: %t\n%s", on, ok, diff)
	}
}

// So many members as a worker has room for, it takes; and no more.
func TestProperty_RoomForParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genParts(t, "w")
		f := fleet(w)
		r := genOfParts(t)
		want := bruteRoom(r, w, 5)
		if got := f.RoomFor(ask(r), "w"); min(got, 5) != want {
			t.Fatalf("room for %d, by force %d", got, want)
		}
	})
}

// Room is made for as few as suffice when what they free is dealt evenly.
func TestPreemptGang_Parts(t *testing.T) {
	w := worker("w", 9, 0)
	var whole []berth.DeviceShare
	for i := range 6 {
		name := fmt.Sprintf("g%d", i)
		w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: name, Type: "a100"})
		whole = append(whole, berth.DeviceShare{Name: name, Milli: berth.WholeDevice})
	}
	f, who := fleet(w), crowd{}
	who.held(f, "w", "first", 1, scheduler.Occupant{Priority: 1, Share: berth.Share{Devices: whole[:3]}})
	who.held(f, "w", "second", 1, scheduler.Occupant{Priority: 1, Share: berth.Share{Devices: whole[3:]}, Placed: 1})
	r := request("g", 1, 0)
	r.Resources.Devices = []berth.DeviceDemand{{Count: 2, Milli: 500}}
	g := gangOf(r, 3, 3, "")
	for i := range g.Members {
		g.Members[i].Priority = 2
	}
	d, ok := f.PreemptGang(g, who.on)
	if !ok || len(d.Victims) != 1 || d.Victims[0] != "second" {
		t.Errorf("room is made: %t, by %v", ok, d.Victims)
	}
}
