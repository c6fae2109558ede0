package integration_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

var pulls = flag.Int("pulls", 6, "how often TestDaemon_PulledAfterAcknowledgement kills the daemon")

// Nothing that was acknowledged is lost: the daemon, and with it the store, is killed
// by SIGKILL at once when an acknowledgement arrives (of one request, of a batch, or
// while other callers wait for theirs), and after its restart every request that was
// ever acknowledged is there, and on the worker that the acknowledgement named.
func TestDaemon_PulledAfterAcknowledgement(t *testing.T) {
	f := newFleet(t)
	d := f.daemon()
	f.hollow("5", "--name", "hollow", "--log-level", "warn") // nothing that runs there ends
	c := f.client()
	defer c.Close()
	f.waitReady(c, 5)
	all := &acknowledgements{of: make(map[string]*berthv1.Status)}
	ways := []func(*puller) error{(*puller).one, (*puller).batch, (*puller).callers}
	for i := range *pulls {
		p := &puller{t: t, round: i, client: c, all: all, kill: sync.OnceFunc(d.kill)}
		if err := ways[i%len(ways)](p); err != nil {
			t.Fatal(err)
		}
		d.kill()
		d = f.daemon()
		all.check(t, c)
	}
	out, err := exec.CommandContext(t.Context(), binary(t), "fsck", "--etcd-endpoints", f.endpoint()).CombinedOutput()
	if err != nil {
		t.Errorf("fsck: %v\n%s", err, out)
	}
	t.Logf("%d acknowledged, the daemon killed %d times: %s", len(all.of), *pulls, out)
}

// acknowledgements are what clients were told, by the request.
type acknowledgements struct {
	mu sync.Mutex // guards of
	of map[string]*berthv1.Status
}

func (a *acknowledgements) add(results []*berthv1.SubmitResult) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range results {
		if f := r.GetRefusal(); f != nil {
			return fmt.Errorf("%s was refused: %s", r.GetId(), f.GetMessage())
		}
		a.of[r.GetId()] = r.GetStatus()
	}
	return nil
}

// check finds every one. A worker whose lease has ended meanwhile has lost what it
// had; that is another attempt.
func (a *acknowledgements) check(t *testing.T, c *client.Client) {
	t.Helper()
	found := make(map[string]*berthv1.Status)
	err := c.List(t.Context(), nil, func(s *berthv1.Status) error {
		found[s.GetId()] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(a.of)) {
		was, is := a.of[id], found[id]
		switch {
		case is == nil:
			t.Errorf("%s was acknowledged, and is lost", id)
		case was.GetWorker() != "" && is.GetAttempt() == was.GetAttempt() && is.GetWorker() != was.GetWorker():
			t.Errorf("%s was acknowledged on %s, and is on %q", id, was.GetWorker(), is.GetWorker())
		case is.GetAttempt() < was.GetAttempt():
			t.Errorf("%s was acknowledged in attempt %d, and is in %d", id, was.GetAttempt(), is.GetAttempt())
		}
	}
}

// puller submits in one round, and kills the daemon when it has an answer.
type puller struct {
	t      *testing.T
	round  int
	client *client.Client
	all    *acknowledgements
	kill   func()
}

func (p *puller) requests(caller, call, n int) []*berthv1.Request {
	out := make([]*berthv1.Request, n)
	for i := range out {
		out[i] = &berthv1.Request{
			Id: fmt.Sprintf("r%d-%d-%d-%d", p.round, caller, call, i), Command: []string{"sleep", "1000"}, Resources: &berthv1.Demand{CpuMilli: 10},
		}
	}
	return out
}

func (p *puller) one() error { return p.submit(p.t.Context(), p.requests(0, 0, 1), true) }

func (p *puller) batch() error { return p.submit(p.t.Context(), p.requests(0, 0, 200), true) }

// submit takes the answer down after the kill: nothing comes between the two.
func (p *puller) submit(ctx context.Context, requests []*berthv1.Request, last bool) error {
	results, err := p.client.Submit(ctx, requests)
	if err != nil {
		return err
	}
	if last {
		p.kill()
	}
	return p.all.add(results)
}

// callers submit side by side, each its next when it has its answer. The daemon is
// killed when one of them has its fifth; the others' answers are cut off, or count.
func (p *puller) callers() error {
	const callers, calls = 16, 5
	var killed atomic.Bool
	g := new(errgroup.Group)
	for caller := range callers {
		g.Go(func() error {
			for call := range calls {
				last := call == calls-1
				if err := p.submit(p.t.Context(), p.requests(caller, call, 1), last); err != nil {
					return err
				}
				if last {
					killed.Store(true)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); !killed.Load() {
		return fmt.Errorf("nobody had %d answers: %w", calls, err)
	}
	return nil
}
