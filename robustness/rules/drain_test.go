package rules

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
)

// A cancel is acknowledged when it is in the store: the stop order of a drain is none,
// for what is drained runs again.
func TestCancel_OfWhatIsDrained(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		r.run(d, "r", nil)
		r.runs("w", "r")
		drained(r)
		wait(r, 1)
		if a, _ := r.allocation("w", "r"); a == nil || a.Stop == nil || a.Stop.Reason != berth.StopDrain {
			r.t.Fatalf("allocation %+v, want it drained", a)
		}
		met := false
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "allocations/w/r") && !met { // a report comes before the cancel
				met = true
				r.rewritten("allocations/w/r")
			}
			return apply()
		})
		_, err := d.Cancel(r.t.Context(), "r", "")
		r.ok(err)
		if a, _ := r.allocation("w", "r"); a == nil || a.Stop.Reason != berth.StopCancel {
			r.t.Errorf("acknowledged, and the allocation is %+v", a)
		}
		kill()
		stop()
	})
}
