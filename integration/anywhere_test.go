package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// anywhere makes random calls, each through any of the daemons, and knows what
// the answers must be.
type anywhere struct {
	*site
	t      *testing.T
	random *rand.Rand
	specs  []berth.Request // acknowledged
	mu     sync.Mutex
	told   []map[berth.RequestID]daemon.Status // the last that a watch at each daemon told
}

// watchAll watches everything at each daemon, until the test's end.
func (a *anywhere) watchAll() {
	for i, d := range a.daemons {
		a.told = append(a.told, map[berth.RequestID]daemon.Status{})
		background(a.t, func(ctx context.Context) error {
			return d.Watch(ctx, daemon.Filter{Ended: true}, func(s daemon.Status) error {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.told[i][s.ID] = s
				return nil
			})
		})
	}
}

func (a *anywhere) any() *daemon.Daemon { return a.daemons[a.random.IntN(len(a.daemons))] }

func (a *anywhere) one() berth.Request { return a.specs[a.random.IntN(len(a.specs))] }

// asked calls through any daemon until one has caught up.
func (a *anywhere) asked(what string, call func(d *daemon.Daemon) error) {
	a.t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		err := call(a.any())
		if err == nil {
			return
		}
		if !errors.Is(err, daemon.ErrNotReady) || time.Now().After(end) {
			a.t.Fatalf("%s: %v", what, err)
		}
	}
}

// submitNew submits a request that ends soon, or one that fits no worker and waits.
func (a *anywhere) submitNew() {
	r := small(fmt.Sprintf("r%03d", len(a.specs)))
	if a.random.IntN(8) == 0 {
		r.Resources.CPUMilli = 20_000
	}
	a.submitAs(r, false)
	a.specs = append(a.specs, r)
}

func (a *anywhere) submitAs(r berth.Request, existing bool) {
	a.t.Helper()
	a.asked("submit "+string(r.ID), func(d *daemon.Daemon) error {
		results, err := d.Submit(a.t.Context(), []berth.Request{r})
		if err == nil {
			err = results[0].Err
		}
		if err == nil && results[0].Existing != existing {
			a.t.Errorf("submit %s: existing is %v", r.ID, results[0].Existing)
		}
		return err
	})
}

// submitOther takes an id for something else.
func (a *anywhere) submitOther() {
	r := a.one()
	r.Command = []string{"false"}
	a.asked("submit other "+string(r.ID), func(d *daemon.Daemon) error {
		results, err := d.Submit(a.t.Context(), []berth.Request{r})
		if err == nil && !errors.Is(results[0].Err, daemon.ErrNotReady) && !errors.Is(results[0].Err, daemon.ErrConflictingID) {
			a.t.Errorf("submit %s with other content: %v", r.ID, results[0].Err)
		}
		return err
	})
}

func (a *anywhere) step() {
	switch a.random.IntN(6) {
	case 0, 1:
		a.submitNew()
	case 2:
		a.submitAs(a.one(), true)
	case 3:
		a.submitOther()
	case 4:
		id := a.one().ID
		a.asked("get "+string(id), func(d *daemon.Daemon) error { _, err := d.Get(a.t.Context(), id); return err })
	case 5:
		if id := a.one().ID; a.random.IntN(4) == 0 {
			a.asked("cancel "+string(id), func(d *daemon.Daemon) error { _, err := d.Cancel(a.t.Context(), id, ""); return err })
		}
	}
}

// cancelWaiting cancels one that fits nowhere: of what runs, most has ended before its
// cancel comes, and by chance all of it.
func (a *anywhere) cancelWaiting() {
	for _, r := range a.specs {
		s, err := a.daemons[0].Get(a.t.Context(), r.ID)
		if err != nil {
			a.t.Fatal(err)
		}
		if s.State == berth.StatePending {
			a.asked("cancel "+string(r.ID), func(d *daemon.Daemon) error { _, err := d.Cancel(a.t.Context(), r.ID, ""); return err })
			return
		}
	}
}

// answer is what one daemon, and the watch at it, say of a request, as its
// clients read it, but for when it was judged. It is settled when the request has
// ended, or there is a reason why it waits.
func (a *anywhere) answer(d int, id berth.RequestID) (said string, settled bool) {
	e, err := a.daemons[d].Explain(a.t.Context(), id)
	if err != nil {
		return err.Error(), false
	}
	if e.Verdict != nil {
		e.Verdict.At = 0
	}
	e.Status.Revision, e.Status.Verdict = 0, nil // get's verdict is its daemon's last, explain's is now
	text, err := json.Marshal(e)
	if err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.told[d][id]
	return fmt.Sprintf("%s; its watch: %s, attempt %d", text, told.State, told.Attempt), ended(e.Status) && ended(told) || e.Verdict != nil
}

// agree waits until all daemons, and the watches at them, say the same of a request.
func (a *anywhere) agree(id berth.RequestID) {
	a.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		same, answers := true, make([]string, len(a.daemons))
		for d := range a.daemons {
			var settled bool
			answers[d], settled = a.answer(d, id)
			same = same && settled && answers[d] == answers[0]
		}
		if same {
			return
		}
		if time.Now().After(end) {
			a.t.Fatalf("daemons do not agree about %s:\n%s", id, strings.Join(answers, "\n"))
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Submission, cancel, get, watch, list and explain are the same through any daemon.
func TestDaemons_SameThroughAny(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	a := &anywhere{t: t, random: rand.New(rand.NewPCG(seed, 1)), site: newSite(t, siteOptions{daemons: 3, workers: 2, watch: true})}
	a.watchAll()
	a.submitNew()
	for range 600 {
		a.step()
	}
	a.cancelWaiting()
	for _, r := range a.specs {
		a.agree(r.ID)
	}
	states := map[berth.State]int{}
	for _, s := range a.told[0] {
		states[s.State]++
	}
	if states[berth.StateSucceeded] == 0 || states[berth.StateCancelled] == 0 || states[berth.StatePending] == 0 {
		t.Errorf("too few kinds of request to tell: %v", states)
	}
	for _, d := range a.daemons {
		page, err := d.List(t.Context(), daemon.Filter{Ended: true})
		if err != nil || len(page) != len(a.specs) {
			t.Errorf("a list of %d, want %d: %v", len(page), len(a.specs), err)
		}
	}
}
