package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// A forecast tells of requests that are asked for whether a daemon, asked the same right after, places them by loans: of
// what others leave idle, and of what was lent and is not used.
func TestForecast_LoansAreAsADaemonMakesThem(t *testing.T) {
	type ask struct {
		tenant berth.TenantID
		cpu    int64
	}
	for name, c := range map[string]struct{ before, asked []ask }{
		"borrows what is idle":           {asked: []ask{{"b", 100}}},
		"borrows all that is idle":       {asked: []ask{{"b", 500}}},
		"no more than is idle":           {before: []ask{{"a", 300}}, asked: []ask{{"b", 300}}},
		"gets back what is lent unused":  {before: []ask{{"b", 100}, {"b", 100}, {"b", 100}}, asked: []ask{{"a", 200}}},
		"waits for what is lent in use":  {before: []ask{{"b", 400}}, asked: []ask{{"a", 200}}},
		"the borrower gets no more then": {before: []ask{{"b", 400}}, asked: []ask{{"a", 200}, {"b", 100}}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.worker("w")
				d, stop := r.daemon()
				r.guarantee(d, "a", 500, 500)
				r.guarantee(d, "b", 500, 0)
				submit := func(id string, a ask) berth.Request {
					s := r.submission(id).Spec
					s.Tenant, s.Resources.CPUMilli, s.StartTimeoutMS = a.tenant, a.cpu, 3_600_000
					return s
				}
				for i, a := range c.before {
					res, err := d.Submit(r.t.Context(), []berth.Request{submit(fmt.Sprint("old", i), a)})
					r.ok(err)
					r.ok(res[0].Err)
					r.passes(time.Second)
				}
				var change snapshot.Change
				for i, a := range c.asked {
					change.Requests = append(change.Requests, submit(fmt.Sprint("new", i), a))
				}
				s := snapshot.New(snapshot.Header{Revision: berth.Revision(r.revision())})
				_, err := r.ScanAt(r.t.Context(), s.Revision, snapshot.Kinds, func(f berth.Fact) error { s.Put(f); return nil })
				r.ok(err)
				out, err := s.Forecast(&change)
				r.ok(err)
				want, got := make(map[berth.RequestID]string), make(map[berth.RequestID]string)
				for i := range out {
					if want[out[i].Request] = string(out[i].Worker); out[i].Verdict != nil {
						want[out[i].Request] = string(out[i].Verdict.Reasons[0].Code)
					}
				}
				for _, spec := range change.Requests {
					res, err := d.Submit(r.t.Context(), []berth.Request{spec})
					r.ok(err)
					r.ok(res[0].Err)
					r.passes(time.Second)
				}
				for _, spec := range change.Requests {
					st := r.state(d, string(spec.ID))
					if got[spec.ID] = string(st.Worker); st.Verdict != nil {
						got[spec.ID] = string(st.Verdict.Reasons[0].Code)
					}
				}
				if !cmp.Equal(want, got) {
					r.t.Errorf("(-forecast +daemon):\n%s", cmp.Diff(want, got))
				}
				stop()
			})
		})
	}
}
