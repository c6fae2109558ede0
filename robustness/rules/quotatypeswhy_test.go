package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// lackOfTypes is what a verdict tells of a quota's types of devices, and how many members could ever have a place.
func lackOfTypes(v *berth.Verdict) string {
	var out []string
	for _, r := range v.Reasons {
		kind, is := berth.Dimension(r.Detail).DeviceType()
		switch {
		case r.Code == berth.ReasonGroup && v.NeverFits:
			out = append(out, fmt.Sprint("ever ", r.Ever))
		case r.Code == berth.ReasonQuota && is:
			out = append(out, fmt.Sprint(kind, " ", r.Want/berth.WholeDevice, " for ", r.Ever))
		}
	}
	return strings.Join(out, ", ")
}

// Of several types of devices a group whose quota has too little of them is told of each what it lacks beside what there is of the
// others, and how many members the quota would let it have: with that it is placed, and with less it is not. The past is told alike.
func TestQuotaTypes_LeastOfEachForAGroup(t *testing.T) {
	both := []string{"h100", "a100"}
	for _, tt := range []struct {
		name    string
		types   [][]string // of each demand
		count   int64
		members int64
		limits  map[string]int64
		uses    []string // by others of the tenant
		want    string
	}{
		{"never", [][]string{both}, 1, 4, map[string]int64{"h100": 1, "a100": 1}, nil, "h100 3 for 4, a100 3 for 4"},
		{"any", [][]string{nil}, 1, 4, map[string]int64{"h100": 1, "a100": 1}, nil, "a100 3 for 4, h100 3 for 4"},
		{"pairs", [][]string{both}, 2, 3, map[string]int64{"h100": 2, "a100": 3}, nil, "h100 4 for 3, a100 4 for 3"},
		{"two demands", [][]string{both, both}, 1, 3, map[string]int64{"h100": 2, "a100": 1}, nil, "h100 5 for 3, a100 4 for 3"},
		{"used", [][]string{both}, 1, 4, map[string]int64{"a100": 1, "h100": 4}, []string{"h100", "h100", "h100"}, "h100 3 for 4, a100 3 for 4"},
		{"both used", [][]string{both}, 1, 4, map[string]int64{"a100": 2, "h100": 2}, []string{"h100", "a100"}, "h100 2 for 3, a100 2 for 4"},
		{"each on a worker of its own", [][]string{both, both}, 1, 3, map[string]int64{"h100": 2, "a100": 1}, nil, "h100 6 for 3, a100 4 for 3"},
		{"one that no worker has", [][]string{{"t4", "h100", "a100"}}, 1, 4, map[string]int64{"h100": 1, "a100": 1}, nil, "ever 2, h100 3 for 4, a100 3 for 4"},
		{"more than workers have of one", [][]string{{"t4", "h100", "a100"}}, 1, 8, map[string]int64{"h100": 1, "a100": 1}, nil, "ever 2, h100 6 for 7, a100 2 for 8"},
		{"used of those that there are", [][]string{{"t4", "h100", "a100"}}, 1, 4, map[string]int64{"h100": 4, "a100": 1}, []string{"h100", "h100", "h100"}, "h100 3 for 4, a100 3 for 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				if strings.HasPrefix(tt.name, "each on") {
					defer r.livesWithDevices("w", "h100", "h100", "h100", "h100")()
					defer r.livesWithOnly("v", "a100", "a100", "a100", "a100", "a100", "a100")()
				} else {
					defer r.livesWithDevices("w", "h100", "h100", "h100", "h100", "a100", "a100", "a100", "a100", "a100", "a100")()
				}
				d, stop := r.daemon()
				r.limitTypes(d, "a", tt.limits)
				for i, kind := range tt.uses {
					r.run(d, fmt.Sprint("use", i), wants("a", kind))
				}
				g := r.group("g", tt.members, tt.members)
				wants("a")(&g)
				g.Resources.CPUMilli, g.Resources.Devices = 10, nil
				for _, types := range tt.types {
					g.Resources.Devices = append(g.Resources.Devices, berth.DeviceDemand{Count: tt.count, Milli: berth.WholeDevice, Types: types})
				}
				r.submitGroup(d, g)
				r.passes(20 * time.Second)
				s, err := d.Group(r.t.Context(), "g")
				r.ok(err)
				for of, v := range map[string]*berth.Verdict{"the group": s.Verdict, "a member": r.state(d, "g.0").Verdict} {
					if got := lackOfTypes(v); got != tt.want {
						t.Errorf("%s is told %s, want %s; %+v", of, got, tt.want, v)
					}
				}
				then, err := d.Explain(r.t.Context(), "g.0")
				r.ok(err)
				past, err := d.ExplainAt(r.t.Context(), "g.0", daemon.Moment{Revision: then.Verdict.At})
				r.ok(err)
				if diff := cmp.Diff(then.Verdict, past.Verdict); diff != "" {
					t.Errorf("the verdict (-then +past):\n%s", diff)
				}
				r.unblocks(d, s.Verdict, tt.limits)
				stop()
			})
		})
	}
}

// unblocks gives a tenant what its group is told that it lacks: first a device less than that.
func (r *rig) unblocks(d *daemon.Daemon, v *berth.Verdict, limits map[string]int64) {
	r.t.Helper()
	last := slices.IndexFunc(v.Reasons, func(q berth.Reason) bool { return q.Code == berth.ReasonQuota })
	for i := last + 1; i < len(v.Reasons) && v.Reasons[i].Ever != v.Reasons[last].Ever; i++ {
		last = i // all of these are needed
	}
	for _, less := range []int64{1, 0} {
		for i, q := range v.Reasons[:last+1] {
			if kind, is := berth.Dimension(q.Detail).DeviceType(); is {
				limits[kind] = max(limits[kind], (q.Stands.Used+q.Want)/berth.WholeDevice)
				if i == last {
					limits[kind] -= less
				}
			}
		}
		r.limitTypes(d, "a", limits)
		r.passes(30 * time.Second)
		if placed := r.located("g.0") == 1; placed == (less == 1) {
			r.t.Errorf("with %v it is placed: %t", limits, placed)
		}
	}
}
