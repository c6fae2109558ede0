package bench

import "time"

// parts of the way, in their order; each ends at its mark.
var parts = [...]struct {
	name string
	to   mark
}{
	{"client: call", markReceived},
	{"daemon: plan", markPlacing},
	{"store: submission and placement", markPlaced},
	{"watch: to the agent", markTold},
	{"agent: to the fence", markFencing},
	{"store: fence", markFenced},
	{"agent: to the runtime", markStarting},
	{"runtime: record, logs, cgroup", markRecorded},
	{"shim: begins", markCharged},
	{"shim: prepares", markReady},
	{"shim: forks, executes", markExecuted},
	{"shim: tells", markRunning},
	{"agent: to the report", markReporting},
	{"store: report", markReported},
	{"watch: to the daemon", markSeen},
	{"daemon: to the client", markAnswered},
}

// timesOf is how long each part took. Their sum is the whole.
func timesOf(at [marks]time.Duration) (out [len(parts)]time.Duration) {
	at[markPlaced] = min(at[markPlaced], at[markTold])
	at[markReported] = min(at[markReported], at[markSeen])
	before := at[markCalled]
	for i, p := range parts {
		end := max(before, at[p.to])
		out[i], before = end-before, end
	}
	return out
}

// Part is one part of the way from the call to the process.
type Part struct {
	Part  string   `json:"part"`
	P50MS *float64 `json:"p50_ms"`
	P99MS *float64 `json:"p99_ms"`
	Share float64  `json:"share"` // of the sum of all
}

// breakdown gathers the parts of many.
type breakdown struct {
	times [len(parts)]*Latency
	sums  [len(parts)]time.Duration
	whole *Latency
	count int
}

func newBreakdown() *breakdown {
	b := &breakdown{whole: NewLatency()}
	for i := range b.times {
		b.times[i] = NewLatency()
	}
	return b
}

func (b *breakdown) add(at [marks]time.Duration) {
	var sum time.Duration
	for i, d := range timesOf(at) {
		b.times[i].Record(d)
		b.sums[i] += d
		sum += d
	}
	b.whole.Record(sum)
	b.count++
}

func (b *breakdown) parts() []Part {
	var all time.Duration
	for _, s := range b.sums {
		all += s
	}
	out := []Part{}
	for i, p := range parts {
		one := Part{Part: p.name, P50MS: b.times[i].MS(50), P99MS: b.times[i].MS(99)}
		if all > 0 {
			one.Share = float64(b.sums[i]) / float64(all)
		}
		out = append(out, one)
	}
	return out
}
