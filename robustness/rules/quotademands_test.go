package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Of a request with several demands for devices each could have the type of which its quota has enough for one of them alone, and
// no device of the other is free: it waits for that, and is not tried again and again.
func TestQuotaTypes_SeveralDemands(t *testing.T) {
	for name, limits := range map[string]map[string]int64{"of each": {"h100": 1, "t4": 1}, "of one": {"h100": 1}, "none of a third": {"h100": 1, "t4": 1, "a100": 0}} {
		for what, types := range map[string][]string{"any": nil, "named": {"t4", "h100"}} {
			t.Run(name+", "+what, func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "t4", "t4")()
					d, stop := r.daemon()
					r.limitTypes(d, "limited", limits)
					for _, id := range []string{"x", "y"} {
						r.run(d, id, wants("free", "t4"))
					}
					r.passes(time.Second)
					r.run(d, "both", func(q *berth.Request) {
						wants("limited", types...)(q)
						q.Resources.Devices = append(q.Resources.Devices, q.Resources.Devices[0])
					})
					r.passes(10 * time.Second)
					if r.located("both") > 0 {
						t.Errorf("it has more than its quota: %s", r.record("limited"))
					}
					r.ends("w", "x")
					r.passes(30 * time.Second)
					if r.located("both") == 0 {
						t.Errorf("it waits though one of each is free: %s", r.record("limited"))
					}
					r.quiet()
					stop()
				})
			})
		}
	}
}
