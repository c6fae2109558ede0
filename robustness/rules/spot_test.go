package rules

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
)

// offers registers a worker with labels, spot or not.
func (r *rig) offers(w berth.WorkerID, spot bool, labels map[string]string) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Spot, reg.Labels = spot, labels
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	synctest.Wait()
}

// Requests ask for spot workers, and keep off them, by what a registration says, whatever
// its labels do; what was placed so is decided again so.
func TestSpot_AskedForAndKeptOff(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.offers("a", true, map[string]string{"zone": "x"})
		r.offers("b", false, map[string]string{"zone": "x", berth.LabelSpot: "true"})
		for _, step := range []struct {
			id, want string
			operator berth.Operator
		}{
			{"may-go", "a", berth.OperatorExists}, {"stays", "b", berth.OperatorNotExists}, {"may-go-too", "a", berth.OperatorExists}, {"stays-too", "b", berth.OperatorNotExists},
		} {
			r.run(d, step.id, func(s *berth.Request) {
				s.Resources.CPUMilli = 1
				s.Constraints = []berth.Constraint{{Label: berth.LabelSpot, Operator: step.operator}}
			})
			if a, _ := r.allocation(step.want, step.id); a == nil {
				r.t.Errorf("%s is not on %s: %+v", step.id, step.want, r.state(d, step.id))
			}
		}
		stop()
	})
}
