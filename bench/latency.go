package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a histogram of times, of three digits each. It is safe for concurrent use.
type Latency struct {
	mu sync.Mutex // guards h
	h  *hdrhistogram.Histogram
}

const latencyMost = 10 * time.Minute

// NewLatency is an empty one.
func NewLatency() *Latency {
	return &Latency{h: hdrhistogram.New(1, latencyMost.Microseconds(), 3)}
}

// Record adds one time; what is longer than ten minutes counts as that.
func (l *Latency) Record(d time.Duration) {
	us := min(max(d.Microseconds(), 1), latencyMost.Microseconds())
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.h.RecordValue(us) // within its bounds
}

// Add adds all of o.
func (l *Latency) Add(o *Latency) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Merge(o.h)
}

// Count is how many times there are.
func (l *Latency) Count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.h.TotalCount()
}

// MS is the time, in milliseconds, within which percent of all are; nil without any.
func (l *Latency) MS(percent float64) *float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h.TotalCount() == 0 {
		return nil
	}
	return ptr(float64(l.h.ValueAtPercentile(percent)) / 1000)
}

// Bar is one range of a histogram.
type Bar struct {
	UpToMS float64 `json:"up_to_ms"`
	Count  int64   `json:"count"`
}

// Bars counts by ranges, of which each ends at twice the one before. Empty ones at
// either end are left out.
func (l *Latency) Bars() []Bar {
	l.mu.Lock()
	defer l.mu.Unlock()
	var bars []Bar
	upTo := int64(1)
	for _, b := range l.h.Distribution() {
		if b.Count == 0 {
			continue
		}
		if len(bars) == 0 {
			for upTo < b.To {
				upTo *= 2
			}
			bars = append(bars, Bar{UpToMS: float64(upTo) / 1000})
		}
		for upTo < b.To {
			upTo *= 2
			bars = append(bars, Bar{UpToMS: float64(upTo) / 1000})
		}
		bars[len(bars)-1].Count += b.Count
	}
	return bars
}

func ptr[T any](v T) *T { return &v }
