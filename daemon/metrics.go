package daemon

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of the loop. The store measures its own transactions.
type metrics struct {
	conflicts prometheus.Counter
	placed    prometheus.Counter
	ended     prometheus.Counter
	submitted prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		conflicts: f.NewCounter(prometheus.CounterOpts{Name: "berth_plan_conflicts_total", Help: "Plans that met a conflict and were made again."}),
		placed:    f.NewCounter(prometheus.CounterOpts{Name: "berth_placements_total", Help: "Allocations created."}),
		ended:     f.NewCounter(prometheus.CounterOpts{Name: "berth_ends_total", Help: "Allocations ended."}),
		submitted: f.NewCounter(prometheus.CounterOpts{Name: "berth_submissions_total", Help: "Requests accepted."}),
	}
}
