package daemon

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthd/berth"
)

// scrapeWithin is how long who reads metrics waits for the loop; then these are left out.
const scrapeWithin = time.Second

// requestMetrics tell how many requests of a pool are in which state. They are asked for when
// they are read, of what the view counts anyway: nothing is scanned, and nothing kept up to date
// between. Until everything is known they are left out, for few would not be none.
type requestMetrics struct {
	d    *Daemon
	desc *prometheus.Desc
}

func newRequestMetrics(d *Daemon) *requestMetrics {
	help := "Requests that have not ended, of the whole store as this daemon sees it; state pending: they wait for a worker."
	return &requestMetrics{d, prometheus.NewDesc("berth_requests", help, []string{"pool", "state"}, nil)}
}

// Describe is of prometheus.Collector.
func (m *requestMetrics) Describe(to chan<- *prometheus.Desc) { to <- m.desc }

// Collect is of prometheus.Collector.
func (m *requestMetrics) Collect(to chan<- prometheus.Metric) {
	select {
	case <-m.d.ready:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	var now map[berth.PoolID][len(states)]int
	if m.d.call(ctx, func(l *loop) { now = l.requestCounts() }) != nil {
		return
	}
	for pool, of := range now {
		for code := pendingCode; int(code) < len(states); code++ {
			to <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, float64(of[code]), string(pool), strings.ToLower(string(states[code])))
		}
	}
}

// requestCounts are of pools that have requests or workers: of the latter none wait, if none do.
func (l *loop) requestCounts() map[berth.PoolID][len(states)]int {
	out := make(map[berth.PoolID][len(states)]int, len(l.view.counts))
	for pool, n := range l.brakes.alive {
		if n > 0 {
			out[pool] = [len(states)]int{}
		}
	}
	for pool, of := range l.view.counts {
		out[pool] = *of
	}
	return out
}
