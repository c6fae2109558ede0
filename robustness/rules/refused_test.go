package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// daemonOn runs one on a store that is given, and watches no invariants.
func (r *rig) daemonOn(s *etcdstore.Store, opts daemon.Options) (d *daemon.Daemon, stop func()) {
	r.t.Helper()
	d, stop = r.begun(s, opts)
	<-d.Ready()
	return d, stop
}

// begun is daemonOn that does not wait until everything is known.
func (r *rig) begun(s *etcdstore.Store, opts daemon.Options) (d *daemon.Daemon, stop func()) {
	r.t.Helper()
	d, err := daemon.New(s, opts)
	r.ok(err)
	ctx, cancel := contextOf(r)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return d, func() {
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("daemon: %v", err)
		}
	}
}

// submitsAtOnce: nobody waits for what concerns another request.
func (r *rig) submitsAtOnce(d *daemon.Daemon, id string) {
	r.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	res, err := d.Submit(ctx, []berth.Request{r.submission(id).Spec})
	if err == nil {
		err = res[0].Err
	}
	if took := time.Since(began); err != nil || took > 500*time.Millisecond {
		r.t.Errorf("submission of %s: %v after %s", id, err, took)
	}
	synctest.Wait()
}

// The message of a cancel is bounded, with an error that says so: one that fits into
// no record held up every plan of every daemon, for good.
func TestDaemon_CancelMessage(t *testing.T) {
	for name, message := range map[string]string{
		"a byte too long": strings.Repeat("x", berth.MaxMessageBytes+1),
		"300 kB":          strings.Repeat("x", 300<<10),
		"NUL":             "a\x00b",
		"no UTF-8":        "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				_, kill := r.lives("w")
				synctest.Wait()
				r.run(d, "r", nil)
				r.runs("w", "r")
				_, err := d.Cancel(r.t.Context(), "r", message)
				if bad, ok := errors.AsType[*berth.FieldError](err); !ok || bad.Field != "message" {
					r.t.Errorf("cancel: %v, want an error of the field message", err)
				}
				r.submitsAtOnce(d, "after")
				if _, err := d.Cancel(r.t.Context(), "r", strings.Repeat("x", berth.MaxMessageBytes)); err != nil {
					r.t.Errorf("a message as long as allowed: %v", err)
				}
				kill()
				stop()
			})
		})
	}
}

// An end is archived however long the words are that stand in the allocation: a
// daemon that bounded none wrote them, or a worker.
func TestDaemon_EndWithLongWords(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		synctest.Wait()
		r.run(d, "r", func(s *berth.Request) { s.Env = map[string]string{"A": strings.Repeat("x", 60<<10)} })
		r.runs("w", "r")
		a, mod := r.allocation("w", "r")
		a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC(), Message: strings.Repeat("é", 50<<10)}
		a.Stop = &berth.StopOrder{Reason: berth.StopCancel, Deadline: time.Now().UTC(), Message: strings.Repeat("x", 100<<10)}
		_, err := r.Report(r.t.Context(), "w", []etcdstore.ReportItem{{Request: "r", AllocationWas: mod, Allocation: *a}})
		r.ok(err)
		wait(r, 1)
		s, err := d.Get(r.t.Context(), "r")
		r.ok(err)
		if s.State != berth.StateCancelled || len(s.Message) > berth.MaxMessageBytes+3 || len(s.Exit.Message) > berth.MaxMessageBytes+3 {
			r.t.Errorf("state %s, with words of %d and %d bytes", s.State, len(s.Message), len(s.Exit.Message))
		}
		kill()
		stop()
	})
}

// What the store refuses whenever it is sent is set aside, seen, and tried again: it
// holds nothing else up, and is done when it can be.
func TestDaemon_RefusedIsSetAside(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		big, stopBig := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "big"})
		for _, id := range []string{"ends", "waits"} {
			r.run(big, id, func(s *berth.Request) {
				s.Env = map[string]string{"A": strings.Repeat("x", 20<<10)}
				if id == "waits" {
					s.Resources.CPUMilli = capacity.CPUMilli + 1
				}
			})
		}
		r.runs("w", "ends")
		stopBig()
		seen := prometheus.NewRegistry()
		small, stopSmall := r.daemonOn(r.store(etcdstore.Options{MaxTxnBytes: 10 << 10}), daemon.Options{ID: "small", Registerer: seen})
		r.reported("w", "ends", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		_, err := small.Cancel(ctx, "waits", "") // archives what is as large
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			r.t.Fatalf("cancel: %v", err)
		}
		for i := range 100 {
			r.submitsAtOnce(small, fmt.Sprintf("after-%d", i))
			wait(r, i%3)
		}
		if n := gauge(r, seen, "berth_set_aside"); n != 2 {
			r.t.Errorf("%v keys are set aside, want the 2", n)
		}
		_, stopBig = r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "big"})
		wait(r, 300)
		if a, _ := r.allocation("w", "ends"); a != nil {
			r.t.Errorf("it can be ended, and is %s", a.State)
		}
		if n := gauge(r, seen, "berth_set_aside"); n != 1 {
			r.t.Errorf("%v keys are set aside, want the cancel that only that daemon knows of", n)
		}
		stopBig()
		stopSmall()
		kill()
	})
}

func gauge(r *rig, from prometheus.Gatherer, name string) float64 {
	r.t.Helper()
	all, err := from.Gather()
	r.ok(err)
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	r.t.Fatalf("no metric %s", name)
	return 0
}
