package integration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
)

// services are requests that are to be replaced before they stop.
func services(n int) []berth.Request {
	return many(n, func(r *berth.Request) {
		r.OnDrain, r.StopTimeoutMS, r.Retry.MaxAttempts = berth.OnDrainReplace, 200, 100
	})
}

// A successor runs before the original stops; the original is archived and names
// it. A second drain replaces the successor.
func TestReplace(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{daemons: 2, workers: 2, runFor: time.Hour, watch: true})
	d := s.daemons[0]
	batch := services(10)
	submit(t, d, batch...)
	for _, r := range batch {
		until(t, d, string(r.ID), in(berth.StateRunning))
	}
	seen := s.followStops("w-0001")
	n := workerState(t, d, "w-0001").Count
	for i, w := range []berth.WorkerID{"w-0001", "w-0002"} {
		if _, err := d.SetIntent(t.Context(), w, daemon.Wish{Drain: true, Parallel: 3}); err != nil {
			t.Fatal(err)
		}
		for w := workerState(t, d, string(w)); w.Count > 0; w = workerState(t, d, string(w.ID)) {
		}
		if i == 0 {
			if _, err := d.SetIntent(t.Context(), w, daemon.Wish{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, r := range batch {
		st, hops := until(t, d, string(r.ID), ended), 0
		for ; st.State.Final(); hops++ {
			if st.State != berth.StateCancelled || st.Reason != berth.EndReplaced || st.ReplacedBy == "" {
				t.Fatalf("%+v", st)
			}
			next, err := d.Get(t.Context(), st.ReplacedBy)
			if err != nil || next.Spec.Replaces != st.ID {
				t.Fatalf("%s: %+v %v", st.ReplacedBy, next, err)
			}
			st = next
		}
		if st.State != berth.StateRunning || st.Worker != "w-0001" || hops < 1 || hops > 2 {
			t.Errorf("after %d replacements: %+v", hops, st)
		}
	}
	if st := seen(); st.begun != n {
		t.Errorf("%d of %d stopped on the first", st.begun, n)
	}
}

// What nobody can replace by the deadline is drained as any other; its successor,
// which never started, is cancelled.
func TestReplace_NoRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 1, runFor: time.Hour, watch: true})
	d := s.daemons[0]
	submit(t, d, services(1)...)
	id := string(services(1)[0].ID)
	until(t, d, id, in(berth.StateRunning))
	if _, err := d.SetIntent(t.Context(), "w-0001", daemon.Wish{Drain: true, Deadline: 500 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	until(t, d, id+".r2", in(berth.StatePending))
	if st := until(t, d, id, in(berth.StatePending)); st.Reason != berth.EndDrained {
		t.Errorf("%+v", st)
	}
	if st := until(t, d, id+".r2", ended); st.State != berth.StateCancelled || st.Attempt != 0 {
		t.Errorf("%+v", st)
	}
	if _, err := d.SetIntent(t.Context(), "w-0001", daemon.Wish{}); err != nil {
		t.Fatal(err)
	}
	until(t, d, id, in(berth.StateRunning))
}

// However drains, their ends, deadlines and daemons' deaths fall, exactly one of
// each line of successors lives in the end.
func TestReplace_Churn(t *testing.T) {
	t.Parallel()
	const workers, rounds = 4, 40
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := newSite(t, siteOptions{daemons: 3, workers: workers, runFor: time.Hour, watch: true})
	batch := services(40)
	submit(t, s.daemons[0], batch...)
	for _, r := range batch {
		until(t, s.daemons[0], string(r.ID), in(berth.StateRunning))
	}
	for round := range rounds {
		d := s.daemons[len(s.daemons)-1-rnd.IntN(2)]
		w := berth.WorkerID(fmt.Sprintf("w-%04d", 1+rnd.IntN(workers)))
		wish := daemon.Wish{}
		if rnd.IntN(3) > 0 {
			wish = daemon.Wish{Drain: true, Parallel: rnd.Int64N(4), Deadline: time.Duration(rnd.IntN(300)) * time.Millisecond}
		}
		if _, err := d.SetIntent(t.Context(), w, wish); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(rnd.IntN(60)) * time.Millisecond)
		if round%10 == 9 {
			s.stops[len(s.stops)-3]()
			s.startDaemon(fmt.Sprintf("d%d", 10+round))
		}
	}
	d := s.daemons[len(s.daemons)-1]
	for i := range workers {
		if _, err := d.SetIntent(t.Context(), berth.WorkerID(fmt.Sprintf("w-%04d", i+1)), daemon.Wish{}); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, d, len(batch))
	lines := map[string]int{}
	replaced := 0
	all, err := d.List(t.Context(), daemon.Filter{Ended: true, Limit: daemon.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range all {
		line, _, _ := strings.Cut(string(st.ID), ".")
		if st.State.Final() {
			replaced++
			continue
		}
		lines[line]++
	}
	for _, r := range batch {
		if lines[string(r.ID)] != 1 {
			t.Errorf("%s: %d live", r.ID, lines[string(r.ID)])
		}
	}
	t.Logf("%d requests ended on the way", replaced)
}

// settled waits until exactly so many requests are there, and all run.
func settled(t *testing.T, d *daemon.Daemon, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		info, err := d.Info(ctx)
		if err != nil {
			all, _ := d.List(t.Context(), daemon.Filter{})
			for _, st := range all {
				t.Logf("%s %s on %s, replaces %q, replaced by %q", st.ID, st.State, st.Worker, st.Spec.Replaces, st.ReplacedBy)
			}
			t.Fatalf("not settled: %+v: %v", info, err)
		}
		if info.Requests == n && info.Running == n && calm(t, d) {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// calm: nothing is being stopped.
func calm(t *testing.T, d *daemon.Daemon) bool {
	t.Helper()
	all, err := d.List(t.Context(), daemon.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range all {
		if st.Stop != nil {
			return false
		}
	}
	return true
}

// With real processes, through the binary: the daemon is killed in the middle of
// the drain, and still the successor has started before the original is told to
// end: their own trace says so. A process that has started may not have come to its first
// line yet, so the original waits for that with its end, and tells when it was told to.
func TestReplace_Processes(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	d := f.daemon()
	agents := map[string]*proc{"a": f.worker("a", "--no-cgroups"), "b": f.worker("b", "--no-cgroups")}
	c := f.client()
	defer c.Close()
	f.waitReady(c, 2)
	trace := filepath.Join(f.dir, "trace")
	script := `trace=` + trace + `; echo "start $BERTH_REQUEST_ID" >> $trace
		trap 'date +%s%N > $trace.$BERTH_REQUEST_ID; until grep -q "start web.r2" $trace; do sleep 0.02; done; echo "end $BERTH_REQUEST_ID" >> $trace; exit 0' TERM
		while :; do sleep 0.05; done`
	f.berth("submit", "--id", "web", "--on-drain", "replace", "--", "sh", "-c", script)
	web := f.untilState(c, "web", func(s *berthv1.Status) bool { return s.GetState() == "RUNNING" && traceHas(t, trace, "start web") })
	f.berth("drain", "--no-wait", web.GetWorker())
	d.kill()
	f.daemon()
	if out := f.berth("drain", web.GetWorker()); !strings.Contains(out, "is draining, empty") {
		t.Errorf("drain says %q", out)
	}
	if out := f.berth("get", "web"); !strings.Contains(out, "REPLACED") || !strings.Contains(out, "by web.r2") {
		t.Errorf("get says\n%s", out)
	}
	next := f.untilState(c, "web.r2", func(s *berthv1.Status) bool { return s.GetState() == "RUNNING" })
	if next.GetWorker() == web.GetWorker() || next.GetSpec().GetReplaces() != "web" {
		t.Errorf("%v", next)
	}
	text, err := os.ReadFile(trace)
	if want := "start web\nstart web.r2\nend web\n"; err != nil || string(text) != want {
		t.Errorf("trace %q, %v; want %q", text, err, want)
	}
	if told, err := os.ReadFile(trace + ".web"); err != nil || strings.TrimSpace(string(told)) < fmt.Sprint(next.GetStartedAt().AsTime().UnixNano()) {
		t.Errorf("web was told to end at %s, %v; web.r2 started at %v", told, err, next.GetStartedAt().AsTime())
	}
	f.berth("remove", "--no-wait", web.GetWorker())
	agents[web.GetWorker()].stop(syscall.SIGTERM)
	for gone := false; !gone; {
		all, err := c.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		gone = len(all) == 1
	}
	f.berth("cancel", "--wait", "web.r2")
	f.berth("fsck", "--etcd-endpoints", f.endpoint())
}

// berth runs a verb to its end, which must be good, and returns what it says.
func (f *fleet) berth(args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(f.t), args...)
	cmd.Env = append(os.Environ(), "BERTH_ADDRESS="+f.socket())
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Errorf("berth %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// untilState waits until a request is so.
func (f *fleet) untilState(c *client.Client, id string, ok func(*berthv1.Status) bool) *berthv1.Status {
	f.t.Helper()
	for {
		s, err := c.Get(f.t.Context(), id)
		if err != nil {
			f.t.Fatal(err)
		}
		if ok(s) {
			return s
		}
		<-time.After(10 * time.Millisecond)
	}
}

func traceHas(t *testing.T, path, line string) bool {
	t.Helper()
	text, err := os.ReadFile(path)
	return err == nil && strings.Contains(string(text), line+"\n")
}
