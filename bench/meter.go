package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Measure is what one phase showed: of the scheduler or of the floor, on one store.
type Measure struct {
	Placements int // in a life: lives
	Wall       time.Duration
	Latency    *Latency // of a request, a burst, or a transaction of the floor
	Counts
	CPU        time.Duration // of this process
	StoreCPU   time.Duration // of etcd's process, where it is another one
	Mallocs    uint64
	AllocBytes uint64
	RSSBytes   int64
	DBBytes    int64
	Fsyncs     *int64          // of etcd's log; nil: not known
	Maintained []time.Duration // of the store: how long each time took
	Cut        bool            // it was ended before its end

	rate float64 // instead of placements by time; 0: that
}

// PerS is the rate.
func (m *Measure) PerS() float64 {
	if m.rate > 0 {
		return m.rate
	}
	if m.Wall <= 0 {
		return 0
	}
	return float64(m.Placements) / m.Wall.Seconds()
}

// reading is where the counters stand at a moment.
type reading struct {
	at         time.Time
	cpu        time.Duration
	mallocs    uint64
	allocBytes uint64
	counts     Counts
	store      storeMetrics
}

// read looks at all counters. The clock is read last at the beginning of a phase,
// first at its end: what reading costs is in neither.
func (e *etcd) read(ctx context.Context, end bool) reading {
	if end {
		r := readProcess(true)
		r.counts, r.store = e.sums.read(), e.metrics(ctx)
		return r
	}
	counts, store := e.sums.read(), e.metrics(ctx)
	r := readProcess(false)
	r.counts, r.store = counts, store
	return r
}

// readProcess is what read sees without a store.
func readProcess(end bool) reading {
	var r reading
	if end {
		r.at, r.cpu = time.Now(), processCPU()
	}
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	r.mallocs, r.allocBytes = ms.Mallocs, ms.TotalAlloc
	if !end {
		r.at, r.cpu = time.Now(), processCPU()
	}
	return r
}

// add adds what lies between two readings.
func (m *Measure) add(from, to reading) {
	m.Wall += to.at.Sub(from.at)
	m.CPU += to.cpu - from.cpu
	m.Mallocs += to.mallocs - from.mallocs
	m.AllocBytes += to.allocBytes - from.allocBytes
	m.Counts = m.Counts.plus(to.counts.minus(from.counts))
	if from.store.ok && to.store.ok {
		if m.Fsyncs == nil {
			m.Fsyncs = ptr(int64(0))
		}
		*m.Fsyncs += to.store.fsyncs - from.store.fsyncs
		m.StoreCPU += to.store.cpu - from.store.cpu
	}
}

// finish reads what only the end of a phase shows.
func (m *Measure) finish(ctx context.Context, e *etcd) {
	m.RSSBytes = residentBytes()
	m.DBBytes = e.dbBytes(ctx)
}

// settle gives back what former phases left, so that none pays for another.
func settle() { debug.FreeOSMemory() }

func processCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentBytes is the memory of this process, 0 where the kernel does not tell.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// storeMetrics are of etcd's own.
type storeMetrics struct {
	ok     bool
	fsyncs int64
	cpu    time.Duration
}

// Names of etcd's metrics.
const (
	metricFsyncs = "etcd_disk_wal_fsync_duration_seconds_count"
	metricCPU    = "process_cpu_seconds_total"
)

const metricsTimeout = 5 * time.Second

// metrics asks each member, over the address of its clients. Of a store that does
// not tell (it wants certificates, or serves them elsewhere), nothing is known.
func (e *etcd) metrics(ctx context.Context) storeMetrics {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsTimeout)
	defer cancel()
	sum := storeMetrics{ok: true}
	for _, endpoint := range e.endpoints() {
		one, err := scrape(ctx, endpoint+"/metrics")
		if err != nil {
			return storeMetrics{}
		}
		sum.fsyncs += one.fsyncs
		if e.server == nil {
			sum.cpu += one.cpu
		}
	}
	return sum
}

func scrape(ctx context.Context, url string) (storeMetrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return storeMetrics{}, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return storeMetrics{}, err
	}
	defer func() { _ = resp.Body.Close() }() // read only
	if resp.StatusCode != http.StatusOK {
		return storeMetrics{}, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return parseMetrics(resp.Body)
}

func parseMetrics(r io.Reader) (storeMetrics, error) {
	var m storeMetrics
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		if !ok || name != metricFsyncs && name != metricCPU {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return storeMetrics{}, fmt.Errorf("metric %s: %w", name, err)
		}
		if name == metricCPU {
			m.cpu = time.Duration(v * float64(time.Second))
			continue
		}
		m.fsyncs, m.ok = int64(v), true
	}
	if err := lines.Err(); err != nil {
		return storeMetrics{}, err
	}
	if !m.ok {
		return storeMetrics{}, fmt.Errorf("there is no metric %s", metricFsyncs)
	}
	return m, nil
}
