package daemon

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// metrics of the loop. The store measures its own transactions.
type metrics struct {
	conflicts prometheus.Counter
	placed    prometheus.Counter
	ended     prometheus.Counter
	submitted prometheus.Counter
	brake     brakeMetrics
	shadow    shadowMetrics
	stepIns   prometheus.Counter
	preempted prometheus.Counter
	reclaimed prometheus.Counter
	aside     prometheus.Gauge
	unreached prometheus.Gauge

	unreadable prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		conflicts: f.NewCounter(prometheus.CounterOpts{Name: "berth_plan_conflicts_total", Help: "Plans that met a conflict and were made again."}),
		placed:    f.NewCounter(prometheus.CounterOpts{Name: "berth_placements_total", Help: "Allocations created."}),
		ended:     f.NewCounter(prometheus.CounterOpts{Name: "berth_ends_total", Help: "Allocations ended."}),
		submitted: f.NewCounter(prometheus.CounterOpts{Name: "berth_submissions_total", Help: "Requests accepted."}),
		brake:     newBrakeMetrics(f),
		shadow:    newShadowMetrics(f),
		preempted: f.NewCounter(prometheus.CounterOpts{Name: "berth_preempted_total", Help: "Allocations told to stop, or taken back, to make room for a request of higher priority."}),
		reclaimed: f.NewCounter(prometheus.CounterOpts{Name: "berth_reclaimed_total", Help: "Allocations told to stop, to give back what their tenant has borrowed; of a group one is counted."}),
		aside:     f.NewGauge(prometheus.GaugeOpts{Name: "berth_set_aside", Help: "Requests, allocations and workers of which the store refuses what is to be done, as too large or malformed; the log names them."}),
		stepIns:   f.NewCounter(prometheus.CounterOpts{Name: "berth_step_ins_total", Help: "Times that this daemon took over the share of a daemon that had gone silent."}),
		unreached: f.NewGauge(prometheus.GaugeOpts{Name: "berth_store_members_unreached", Help: "Members of etcd that did not answer when this daemon last asked how full they are."}),

		unreadable: f.NewGauge(prometheus.GaugeOpts{Name: "berth_unreadable_records", Help: "Records in the store that cannot be read, or say what cannot be; what they concern is left alone, and berth fsck names them."}),
	}
}

// brakeMetrics of the pools' brakes, as this daemon sees them.
type brakeMetrics struct {
	engaged *prometheus.GaugeVec
	held    *prometheus.GaugeVec
	total   *prometheus.CounterVec
}

func newBrakeMetrics(f promauto.Factory) brakeMetrics {
	pool := []string{"pool"}
	return brakeMetrics{
		engaged: f.NewGaugeVec(prometheus.GaugeOpts{Name: "berth_brake_engaged", Help: "1 while the pool's brake holds up moves."}, pool),
		held:    f.NewGaugeVec(prometheus.GaugeOpts{Name: "berth_braked_allocations", Help: "Allocations on lost workers that may run and are held by the brake."}, pool),
		total:   f.NewCounterVec(prometheus.CounterOpts{Name: "berth_brake_total", Help: "Brakes that this daemon engaged."}, pool),
	}
}

// show tells of a brake: what is held, as long as it is engaged.
func (m *brakeMetrics) show(p berth.PoolID, engaged bool, held int64) {
	on := 1.0
	if !engaged {
		on, held = 0, 0
	}
	m.engaged.WithLabelValues(string(p)).Set(on)
	m.held.WithLabelValues(string(p)).Set(float64(held))
}

// shadowMetrics of the pools' shadows.
type shadowMetrics struct {
	placements, load, loss *prometheus.CounterVec
}

func newShadowMetrics(f promauto.Factory) shadowMetrics {
	policy := []string{"pool", "policy"}
	return shadowMetrics{
		placements: f.NewCounterVec(prometheus.CounterOpts{Name: "berth_shadow_placements_total", Help: "Placements that a pool's shadow was asked about: the same worker, or another; or skipped."}, []string{"pool", "outcome"}),
		load:       f.NewCounterVec(prometheus.CounterOpts{Name: "berth_shadow_load_total", Help: "Sum of the loads, 1 when full, that the workers chosen by a pool's own policy and by its shadow have with the request."}, policy),
		loss:       f.NewCounterVec(prometheus.CounterOpts{Name: "berth_shadow_loss_devices_total", Help: "Sum of the worth, in devices, that the workers so chosen lose."}, policy),
	}
}

func (m *shadowMetrics) count(j *scheduler.Judgement) {
	pool := string(j.Pool)
	switch {
	case j.Skipped > 0:
		m.placements.WithLabelValues(pool, "skipped").Add(float64(j.Skipped))
		return
	case j.Real.Worker == j.Shadow.Worker:
		m.placements.WithLabelValues(pool, "same").Inc()
	default:
		m.placements.WithLabelValues(pool, "other").Inc()
	}
	for policy, c := range map[string]*scheduler.Choice{"own": &j.Real, "shadow": &j.Shadow} {
		m.load.WithLabelValues(pool, policy).Add(float64(c.LoadMilli) / 1000)
		m.loss.WithLabelValues(pool, policy).Add(float64(max(c.LossMilli, 0)) / 1000)
	}
}
