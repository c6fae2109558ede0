package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// eachModel is what happens: a tenant, a, that has lent most of some workers to b and c, wants it back. In its text is all that a
// case needs.
type eachModel struct {
	Workers []int64 // cores
	Daemons int
	A, B, C int64     // guaranteed
	Others  []int64   // of x, which has no quota
	Runs    []eachRun // of b and c, before anything of a's comes
	Fill    int64     // then as many of so much of each as have room
	Queue   bool      // and one more waits
	Lag     int       // how long things take to stop
	Deeds   []eachDeed
}

// eachRun is a request, of a group where it has a size.
type eachRun struct {
	Of          berth.TenantID
	Milli, Size int64
}

type eachDeed struct {
	Kind  string // ask, cancel, cordon, uncordon, end, run
	By    int
	Run   eachRun
	N     int           // of which: a request, a worker
	Pause time.Duration // after it
}

func drawEachModel(t *rapid.T) eachModel {
	m := eachModel{
		Workers: rapid.SliceOfN(rapid.Int64Range(2, 4), 2, 5).Draw(t, "workers"), Daemons: rapid.IntRange(1, 2).Draw(t, "daemons"),
		B: rapid.SampledFrom([]int64{0, 0, 500, 1000, 2000}).Draw(t, "b"), C: rapid.SampledFrom([]int64{0, 0, 500, 1000}).Draw(t, "c"),
		Others: rapid.SampledFrom([][]int64{nil, nil, {500}, {1000}, {1000, 1000}, {500, 1000, 500}}).Draw(t, "others"),
		Fill:   rapid.SampledFrom([]int64{500, 1000, 1000, 2000}).Draw(t, "fill"), Queue: rapid.Bool().Draw(t, "queue"), Lag: rapid.IntRange(0, 2).Draw(t, "lag"),
	}
	mostly := m.cores()
	if rapid.IntRange(0, 3).Draw(t, "overbooked") > 0 {
		for _, n := range m.Others {
			mostly -= n
		}
	}
	m.A = max(mostly-m.B-m.C-rapid.SampledFrom([]int64{0, 0, 0, 500, 1000, 2000}).Draw(t, "less"), 500)
	m.Runs = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) eachRun {
		return eachRun{
			Of: rapid.SampledFrom([]berth.TenantID{"b", "c"}).Draw(t, "of"), Milli: rapid.SampledFrom([]int64{500, 1000, 1000, 2000}).Draw(t, "milli"),
			Size: rapid.SampledFrom([]int64{0, 0, 0, 0, 2, 3}).Draw(t, "size"),
		}
	}), 0, 8).Draw(t, "runs")
	most := slices.Max(m.Workers) * 1000
	m.Deeds = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) eachDeed { return drawEachDeed(t, most) }), 1, 9).Draw(t, "deeds")
	return m
}

func drawEachDeed(t *rapid.T, most int64) eachDeed {
	d := eachDeed{
		Kind: rapid.SampledFrom([]string{"ask", "ask", "ask", "ask", "ask", "ask", "cancel", "cordon", "uncordon", "end", "run"}).Draw(t, "kind"),
		By:   rapid.IntRange(0, 1).Draw(t, "by"), N: rapid.IntRange(0, 15).Draw(t, "n"),
		Pause: rapid.SampledFrom([]time.Duration{0, 0, 0, 0, 300 * time.Millisecond, 2 * time.Second, 7 * time.Second}).Draw(t, "pause"),
	}
	switch d.Kind {
	case "ask":
		d.Run = eachRun{Of: "a", Milli: min(rapid.SampledFrom([]int64{500, 1000, 2000, 2000, 4000}).Draw(t, "milli"), most), Size: rapid.SampledFrom([]int64{0, 0, 0, 1, 2}).Draw(t, "size")} // of larger ones a search does not find all
		if d.Run.Size > 0 {
			d.Run.Milli = min(max(d.Run.Milli, 1000), 2000)
		}
	case "run":
		d.Run = eachRun{Of: rapid.SampledFrom([]berth.TenantID{"b", "c"}).Draw(t, "of"), Milli: rapid.SampledFrom([]int64{500, 1000, 2000}).Draw(t, "milli")}
	}
	return d
}

func (m *eachModel) cores() (sum int64) {
	for _, n := range m.Workers {
		sum += 1000 * n
	}
	return sum
}

// GoString is short, and what a test may begin with.
func (m eachModel) GoString() string {
	runs, deeds := make([]string, len(m.Runs)), make([]string, len(m.Deeds))
	for i, q := range m.Runs {
		runs[i] = fmt.Sprintf("{%q, %d, %d}", q.Of, q.Milli, q.Size)
	}
	for i, d := range m.Deeds {
		deeds[i] = fmt.Sprintf("{%q, %d, eachRun{%q, %d, %d}, %d, %d}", d.Kind, d.By, d.Run.Of, d.Run.Milli, d.Run.Size, d.N, d.Pause)
	}
	return fmt.Sprintf("eachModel{%#v, %d, %d, %d, %d, %#v, []eachRun{%s}, %d, %t, %d, []eachDeed{%s}}", m.Workers, m.Daemons, m.A, m.B, m.C, m.Others,
		strings.Join(runs, ", "), m.Fill, m.Queue, m.Lag, strings.Join(deeds, ", "))
}

// TestReclaim_EachModel: whatever a lender asks for, and whatever it has lent to whom, wherever that runs: nothing of a borrower's is
// stopped again and again, or of what is its own; after a while all is as it stays; and then each request within what is guaranteed
// has its place that there is any room for, where others end that use more than their own.
func TestReclaim_EachModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := rapid.Custom(drawEachModel).Draw(rt, "model")
		if wrong := m.happens(t); wrong != "" {
			rt.Fatalf("%s\nof %#v", wrong, m)
		}
	})
}

func (m *eachModel) happens(t *testing.T) (wrong string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if t.Failed() {
				t.Logf("of %#v", *m)
			}
		}()
		ctx, cancel := contextOf(&rig{t: t})
		of := newModelled(ctx, t)
		defer of.expire(cancel)
		s := of.seen()
		checked := of.checkedBy(s.fault)
		ds, stop := of.several(m.Daemons)
		s.lag = func(n int) time.Duration {
			return []time.Duration{0, time.Second, 3 * time.Second}[(n+m.Lag)%3]
		}
		m.run(s, ds)
		stop()
		checked()
		if wrong = s.faulty(); wrong != "" {
			wrong += "\nin the end: " + s.where()
		}
	})
	return wrong
}

const (
	// eachSettles is how long everything may take when nothing comes any more, and eachQuiet how long nothing happens then: what is kept for one
	// of nine equal groups goes to the next every eleven seconds, and room is made for the one that has it.
	eachSettles = 10 * time.Minute
	eachQuiet   = 2 * time.Minute
	// eachStops is how often one may be stopped for lenders, or once whenever they ask, if that is more often: who was placed again by a loan is the youngest.
	eachStops = 3
)

func (m *eachModel) run(s *reclaimSeen, ds []*daemon.Daemon) {
	var kills []func()
	defer func() { endAll(kills) }()
	for i, n := range m.Workers {
		kills = append(kills, s.livesOf(berth.WorkerID(fmt.Sprint("w", i)), 1000*n, 1<<30))
	}
	m.begins(s, ds)
	for i := range m.Deeds {
		if s.faulty() != "" {
			return
		}
		m.do(s, ds, i)
		s.works(m.Deeds[i].Pause, nil)
	}
	last, since := "", time.Now()
	quiet := func() bool {
		if now := s.where(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) >= eachQuiet
	}
	s.works(eachSettles, quiet)
	sum, most, times := s.tolds()
	switch {
	case s.faulty() != "":
	case times > max(eachStops, m.moments()):
		s.fault(fmt.Sprintf("%s was stopped %d times, of %d in all", most, times, sum))
	case !quiet():
		s.fault("it does not settle")
	default:
		if starves := s.starves(); starves != "" {
			s.fault(starves + "\nat " + time.Since(s.began).String() + ": " + s.where())
		}
	}
}

// moments is how often something is asked for, with time between.
func (m *eachModel) moments() (n int) {
	asks := false
	for _, d := range m.Deeds {
		if asks = asks || d.Kind == "ask"; asks && d.Pause > 0 {
			n, asks = n+1, false
		}
	}
	if asks {
		n++
	}
	return n
}

// begins has the tenants, and what the borrowers have.
func (m *eachModel) begins(s *reclaimSeen, ds []*daemon.Daemon) {
	s.t.Helper()
	s.works(time.Second, nil)
	for i, of := range []int64{m.A, m.B, m.C} {
		c := daemon.QuotaChange{
			Tenant: berth.TenantID("abc"[i : i+1]), Pool: "default", All: true,
			Set: berth.Amounts{berth.DimensionCPU: max(m.cores(), m.A)}, Guarantee: berth.Amounts{berth.DimensionCPU: of},
		}
		if after := (2 * time.Second).Milliseconds(); i == 0 {
			c.ReclaimAfterMS = &after
		}
		_, err := ds[i%len(ds)].SetQuota(s.t.Context(), c)
		s.ok(err)
	}
	for i, n := range m.Others {
		s.asks(ds[0], s.wants(fmt.Sprint("x", i), "x", n, 0))
		s.works(200*time.Millisecond, nil)
	}
	for i, q := range m.Runs {
		s.asks(ds[i%len(ds)], s.wants(fmt.Sprint(q.Of, i), q.Of, q.Milli, q.Size))
		s.works(200*time.Millisecond, nil)
	}
	for i := range 2 * m.cores() / m.Fill {
		of := berth.TenantID("bc"[i%2 : i%2+1])
		id := fmt.Sprint(of, "f", i)
		s.asks(ds[i%int64(len(ds))], s.wants(id, of, m.Fill, 0))
		if s.works(300*time.Millisecond, nil); s.has(id, 0) {
			continue
		}
		if !m.Queue {
			m.cancel(s, ds[0], id)
		}
		break
	}
	s.works(time.Second, nil)
}

func (m *eachModel) cancel(s *reclaimSeen, d *daemon.Daemon, id string) {
	s.t.Helper()
	synctest.Wait() // it knows of what another was asked for
	if _, err := d.Cancel(s.t.Context(), berth.RequestID(id), ""); s.faulty() == "" {
		s.ok(err)
	}
}

func (m *eachModel) do(s *reclaimSeen, ds []*daemon.Daemon, i int) {
	s.t.Helper()
	do := m.Deeds[i]
	d := ds[do.By%len(ds)]
	w := berth.WorkerID(fmt.Sprint("w", do.N%len(m.Workers)))
	switch do.Kind {
	case "ask", "run":
		s.asks(d, s.wants(fmt.Sprintf("%s-%d", do.Run.Of, i), do.Run.Of, do.Run.Milli, do.Run.Size))
	case "cancel":
		if id := s.nth(do.N, func(q *berth.Request) bool { return q.Group == nil }); id != "" {
			m.cancel(s, d, id)
		}
	case "cordon", "uncordon":
		_, err := s.own.SetIntent(s.t.Context(), w, func(*berth.Intent) *berth.Intent {
			return &berth.Intent{Cordon: do.Kind == "cordon", At: time.Now().UTC()}
		})
		s.ok(err)
	case "end":
		id := s.nth(do.N, func(q *berth.Request) bool { return q.Tenant == "x" })
		there, _ := s.snapshot()
		for _, key := range s.heldBy(id) {
			if a := there[key]; a.State == berth.StateRunning {
				w, _, _ := strings.Cut(key, "/")
				s.own.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
			}
		}
	}
}

// nth is the request of that number, of some.
func (s *reclaimSeen) nth(n int, of func(*berth.Request) bool) string {
	s.t.Helper()
	specs, ages := s.submissions()
	var all []string
	for id, q := range specs {
		if of(&q) {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(ages[a], ages[b]), cmp.Compare(a, b)) })
	return all[n%len(all)]
}
