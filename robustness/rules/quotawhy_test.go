package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of several limits the one that is used up is why a request waits, not one of which more could be taken.
func TestQuota_TellsWhatIsUsedUp(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{
			Tenant: "a", Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: 100_000, berth.DimensionMemory: 100 << 20},
		})
		r.ok(err)
		for _, id := range []string{"first", "second"} {
			r.run(d, id, func(q *berth.Request) {
				q.Tenant, q.Resources.CPUMilli, q.Resources.MemoryBytes, q.StartTimeoutMS = "a", 100, 80<<20, 3_600_000
			})
			r.passes(15 * time.Second)
		}
		v := r.state(d, "second").Verdict
		if v == nil || len(v.Reasons) != 1 || v.Reasons[0].Detail != string(berth.DimensionMemory) || v.Reasons[0].Best != 20<<20 {
			t.Errorf("%+v, want that 20 MiB of memory are left", v)
		}
		stop()
	})
}

// A group that its quota has no room for is told, too, what it would lack then: of its workers, unless others would make room for it.
func TestQuota_TellsAGroupWhatItLacksBeyond(t *testing.T) {
	for _, tt := range []struct {
		name string
		asks func(r *rig) berth.Request
		want []berth.ReasonCode
	}{
		{"no room", func(r *rig) berth.Request { return r.whole("g", 2) }, []berth.ReasonCode{berth.ReasonQuota, berth.ReasonGroup, berth.ReasonCPU}},
		{"others would make it", func(r *rig) berth.Request { return r.pressing("g", 2, 2, 9) }, []berth.ReasonCode{berth.ReasonQuota}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.joins("w")
				d, stop := r.daemon()
				r.limit(d, "a", 500)
				r.run(d, "other", sized(500, 0))
				r.run(d, "own", from("a", sized(400, 0)))
				r.passes(15 * time.Second)
				g := tt.asks(r)
				g.Tenant, g.Resources.CPUMilli = "a", 250
				r.submitGroup(d, g)
				r.passes(5 * time.Second)
				s, err := d.Group(r.t.Context(), "g")
				r.ok(err)
				var got []berth.ReasonCode
				for _, why := range s.Verdict.Reasons {
					got = append(got, why.Code)
				}
				if !slices.Equal(got, tt.want) || s.Verdict.NeverFits {
					t.Errorf("%v (never: %v), want %v", got, s.Verdict.NeverFits, tt.want)
				}
				stop()
			})
		})
	}
}
