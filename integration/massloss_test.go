package integration_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

var wholeMassLoss = flag.Bool("massloss", false, "lose 100 of 200 workers for 60 s, as docs/robustness.md quotes it")

// massLoss is half of a fleet that vanishes, and comes back.
type massLoss struct {
	half int           // workers in each half
	each int           // containers per worker
	ttl  time.Duration // of the workers' leases
	away time.Duration // from SIGSTOP to SIGCONT
}

// outcome of one.
type outcome struct {
	moved int           // attempts that were made anew while the half was away
	again int           // that were in all, once it was back
	whole time.Duration // from its return until all ran
}

func (m massLoss) String() string {
	return fmt.Sprintf("%d of %d workers away for %s, TTL %s, %d containers each", m.half, 2*m.half, m.away, m.ttl, m.each)
}

// run stops the process that half of the workers live in for a while, and counts
// the second attempts. Nothing of it pretends but the containers: leases, etcd,
// daemon and the silence are real.
func (m massLoss) run(t *testing.T, brake *berthv1.Pool) outcome {
	t.Helper()
	f := newFleet(t)
	f.daemon()
	c := f.client()
	t.Cleanup(c.Close)
	if brake != nil {
		if err := c.SetPool(t.Context(), brake); err != nil {
			t.Fatal(err)
		}
	}
	shape := fmt.Sprintf("%d", m.half)
	flags := []string{"--ttl", m.ttl.String(), "--log-level", "warn"}
	f.named("stays", shape, flags...)
	gone := f.named("goes", shape, flags...)
	f.waitReady(c, 2*m.half)
	n := 2 * m.half * m.each
	m.submit(t, c, n)
	waitCount(t, c, func(s *berthv1.Status) bool { return s.GetState() == "RUNNING" }, n)
	there := howMany(t, c, func(s *berthv1.Status) bool { return strings.HasPrefix(s.GetWorker(), "goes-") })
	if err := gone.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(m.away)
	out := outcome{moved: howMany(t, c, secondAttempt)}
	if brake == nil {
		m.shown(t, c)
	}
	back := time.Now()
	if err := gone.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// Whoever was silent for longer than its lease has lost its epoch: what it held
	// is made anew, with the brake or without.
	waitCount(t, c, func(s *berthv1.Status) bool { return s.GetState() == "RUNNING" && secondAttempt(s) }, there)
	out.whole = time.Since(back)
	f.waitReady(c, 2*m.half)
	out.again = howMany(t, c, secondAttempt)
	return out
}

// named starts hollow workers of one name, half of a fleet.
func (f *fleet) named(name, count string, flags ...string) *proc {
	f.t.Helper()
	args := []string{binary(f.t), "worker", "--hollow", count, "--name", name, "--etcd-endpoints", f.endpoint(), "--wait-for-name"}
	return f.start(name, nil, append(args, flags...)...)
}

func (m massLoss) submit(t *testing.T, c *client.Client, n int) {
	t.Helper()
	var batch []*berthv1.Request
	for i := range n {
		batch = append(batch, &berthv1.Request{
			Id: fmt.Sprintf("r%05d", i), Command: []string{"true"}, Resources: &berthv1.Demand{CpuMilli: 100},
		})
		if len(batch) == 500 || i == n-1 {
			if _, err := c.Submit(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
}

// shown: an operator sees the brake, the workers that it is about, and who is held.
func (m massLoss) shown(t *testing.T, c *client.Client) {
	t.Helper()
	o, err := c.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b := o.GetBrakes(); len(b) != 1 || b[0].GetState() != client.BrakeEngaged || b[0].GetSize() != int64(2*m.half) || b[0].GetHeld() == 0 {
		t.Fatalf("status shows %v", b)
	}
	workers, err := c.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lost := ""
	for _, w := range workers {
		if w.GetState() == "lost" && w.GetBrakedUntil() == nil {
			t.Errorf("%s is lost, and not said to be braked", w.GetId())
		}
		if w.GetState() == "lost" {
			lost = w.GetId()
		}
	}
	err = c.List(t.Context(), &berthv1.Filter{Worker: lost}, func(s *berthv1.Status) error {
		e, err := c.Explain(t.Context(), s.GetId())
		if err != nil || e.GetBrake().GetUntil() == nil {
			t.Errorf("explain %s: %v %v", s.GetId(), e, err)
		}
		return err
	})
	if lost == "" || err != nil {
		t.Errorf("no worker is lost, or none of its requests is told: %v", err)
	}
}

func secondAttempt(s *berthv1.Status) bool { return s.GetAttempt() > 1 }

func howMany(t *testing.T, c *client.Client, ok func(*berthv1.Status) bool) int {
	t.Helper()
	n := 0
	if err := c.List(t.Context(), &berthv1.Filter{}, func(s *berthv1.Status) error {
		if ok(s) {
			n++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// waitCount waits until so many requests are as ok says.
func waitCount(t *testing.T, c *client.Client, ok func(*berthv1.Status) bool, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	reached, are := errors.New("reached"), map[string]bool{}
	err := c.Watch(ctx, &berthv1.Filter{}, func(s *berthv1.Status) error {
		if delete(are, s.GetId()); ok(s) {
			are[s.GetId()] = true
		}
		if len(are) == want {
			return reached
		}
		return nil
	})
	if !errors.Is(err, reached) {
		t.Fatalf("%d of %d got there: %v", len(are), want, err)
	}
}

// Half of a pool falls silent and comes back: with the brake nothing that may run
// is moved meanwhile; without it, all is.
func TestMassLoss(t *testing.T) {
	t.Parallel()
	m := massLoss{half: 10, each: 5, ttl: 3 * time.Second, away: 9 * time.Second}
	if *wholeMassLoss {
		m = massLoss{half: 100, each: 10, ttl: 10 * time.Second, away: time.Minute}
	}
	off := &berthv1.Pool{Id: "default", BrakeWorkers: 1_000_000}
	without := m.run(t, off)
	with := m.run(t, nil)
	t.Logf("%s: without the brake %d attempts were made anew meanwhile and %d in all, all running %s after its return; with it %d, %d, %s",
		m, without.moved, without.again, without.whole.Round(100*time.Millisecond), with.moved, with.again, with.whole.Round(100*time.Millisecond))
	if with.moved != 0 || without.moved == 0 {
		t.Errorf("moved %d with the brake, %d without; want none, and many", with.moved, without.moved)
	}
}
