package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// hasDevices registers a worker with devices of these link domains.
func (r *rig) hasDevices(w berth.WorkerID, links ...string) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	for i, link := range links {
		reg.Capacity.Devices = append(reg.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", i), Type: "h100", Link: link})
	}
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	synctest.Wait()
}

// linksOf are the link domains of the devices that requests have, each once.
func (r *rig) linksOf(d *daemon.Daemon, ids ...string) (links []string) {
	r.t.Helper()
	for _, id := range ids {
		s := r.state(d, id)
		if s.Worker == "" {
			r.t.Fatalf("%s has no place: %+v", id, s.Verdict)
		}
		l, _ := r.ledger(s.Worker)
		a, _ := r.allocation(string(s.Worker), id)
		for _, share := range a.Share.Devices {
			i := slices.IndexFunc(l.Capacity.Devices, func(d berth.Device) bool { return d.Name == share.Name })
			links = append(links, l.Capacity.Devices[i].Link)
		}
	}
	slices.Sort(links)
	return slices.Compact(links)
}

// membersPlaced are those of a group's members that have a place.
func (r *rig) membersPlaced(d *daemon.Daemon, g berth.GroupID, size int64) (ids []string) {
	r.t.Helper()
	for _, id := range g.Members(size) {
		if r.state(d, string(id)).Worker != "" {
			ids = append(ids, string(id))
		}
	}
	return ids
}

func device(r *berth.Request) {
	r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice}}
}

// All devices of a linked group are of one link domain, over two machines; who follows
// waits for one of that domain, whatever is free elsewhere; and an attempt anew is of one
// domain again.
func TestGroup_Linked(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.hasDevices("w1", "x", "x", "x")
		r.hasDevices("w2", "x")
		r.hasDevices("w3", "y", "y", "", "")
		r.run(d, "other", func(s *berth.Request) {
			device(s)
			s.Resources.Devices[0].Link = "x"
		})
		g := r.group("g", 4, 3)
		g.Group.Linked, g.Retry.OnFailure = true, true
		device(&g)
		r.submitGroup(d, g)
		if links := r.linksOf(d, "other", "g.0", "g.1", "g.2"); !slices.Equal(links, []string{"x"}) {
			t.Errorf("the first are in %q", links)
		}
		if is, err := d.Group(r.t.Context(), "g"); err != nil || is.Record.State != berth.GroupPlaced || is.Record.Link != "x" {
			t.Errorf("%v, %+v", err, is.Record)
		}
		e, err := d.Explain(r.t.Context(), "g.3")
		r.ok(err)
		if e.Verdict == nil || !strings.Contains(fmt.Sprint(e.Verdict.Reasons), "devices any in link domain x") {
			t.Errorf("the last waits for %+v", e.Verdict)
		}
		on := string(r.state(d, "other").Worker)
		r.runs(on, "other")
		r.exits(on, "other")
		r.passes(time.Second)
		if links := r.linksOf(d, "g.3"); !slices.Equal(links, []string{"x"}) {
			t.Errorf("the last is in %q", links)
		}
		if _, err := d.SetIntent(r.t.Context(), "w2", daemon.Wish{Drain: true}); err != nil {
			t.Fatal(err)
		}
		r.passes(3 * time.Second)
		is, err := d.Group(r.t.Context(), "g")
		r.ok(err)
		if ids := r.membersPlaced(d, "g", 4); is.Record.Attempt != 2 || is.Record.Link != "x" || len(ids) != 3 || !slices.Equal(r.linksOf(d, ids...), []string{"x"}) {
			t.Errorf("after a drain: %v, %+v", ids, is.Record)
		}
		stop()
	})
}

// A linked group that no link domain has room for says so, and what the best of them has;
// one that no domain could ever hold, at once.
func TestGroup_LinkedWaits(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.hasDevices("w1", "x", "x", "x")
		r.hasDevices("w2", "y", "y", "", "")
		for _, tt := range []struct {
			id    string
			size  int64
			never bool
			best  int64
		}{{"first", 3, false, 0}, {"waits", 3, false, 2}, {"never", 4, true, 2}} {
			g := r.group(tt.id, tt.size, tt.size)
			g.Group.Linked = true
			device(&g)
			r.submitGroup(d, g)
			if tt.best == 0 {
				continue
			}
			is, err := d.Group(r.t.Context(), berth.GroupID(tt.id))
			r.ok(err)
			if is.Verdict == nil || is.Verdict.NeverFits != tt.never || len(is.Verdict.Reasons) < 2 {
				t.Fatalf("%s waits for %+v", tt.id, is.Verdict)
			}
			if why := is.Verdict.Reasons[1]; why.Code != berth.ReasonLink || why.Want != tt.size || why.Best != tt.best || why.Total != 3 {
				t.Errorf("%s waits for %+v", tt.id, why)
			}
		}
		if links := r.linksOf(d, "first.0", "first.1", "first.2"); !slices.Equal(links, []string{"x"}) {
			t.Errorf("the first are in %q", links)
		}
		stop()
	})
}
