package integration_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

var restarts = flag.Int("restarts", 4, "how often TestAgent_Upgraded ends the agent; `make restarts` says 50")

// Containers of the load under which the agent is restarted, and those that live
// through all of its restarts.
const (
	upgradeLoad  = 4
	upgradeStays = 5
)

// TestAgent_Upgraded ends an agent again and again, killed or told to leave its
// containers (SIGHUP, as an upgrade does), while others begin and end under it.
// Those that run through all of it are untouched, the same processes.
func TestAgent_Upgraded(t *testing.T) {
	t.Parallel()
	r := newUpgrading(t)
	for i := range *restarts {
		r.loadStarts(upgradeLoad / 2)
		r.restart(i%2 == 1)
	}
	r.finish()
}

// upgrading is one worker under load.
type upgrading struct {
	*fleet
	c      *client.Client
	flags  []string
	agent  *proc
	epoch  int64
	pids   map[string]string // of the containers that stay: process and its start
	loaded []string          // requests of the load
	took   []time.Duration   // from each kill to the registration
}

func newUpgrading(t *testing.T) *upgrading {
	r := &upgrading{fleet: newFleet(t), pids: map[string]string{}, flags: []string{"--cpu", "8", "--memory", "4GiB", "--ttl", "20s"}}
	r.daemon()
	r.agent = r.worker("w-1", r.flags...)
	r.c = r.client()
	t.Cleanup(func() { r.c.Close() })
	r.waitReady(r.c, 1)
	r.epoch = r.epochNow()
	for i := range upgradeStays {
		// Not `sleep`: its end would be a line's delay, and no loss of one is hidden.
		script := fmt.Sprintf(`echo $$ >>%[1]s/pid-%[2]d; i=0; while [ ! -e %[1]s/stop ]; do i=$((i+1)); echo line $i; sleep 0.05; done; echo end; exit %[3]d`, r.dir, i, stayCode(i))
		r.submit(stayID(i), script)
	}
	for i := range upgradeStays {
		for r.process(i) == "" { // it has not said so yet
			<-time.After(10 * time.Millisecond)
		}
		r.pids[stayID(i)] = r.process(i)
	}
	return r
}

func stayID(i int) string { return fmt.Sprint("stay-", i) }
func stayCode(i int) int  { return i % 7 }
func loadCode(i int) int  { return i % 5 }

func (r *upgrading) epochNow() int64 {
	r.t.Helper()
	all, err := r.c.Workers(r.t.Context())
	if err != nil || len(all) != 1 {
		r.t.Fatalf("workers: %v, %v", all, err)
	}
	return all[0].GetEpoch()
}

func (r *upgrading) submit(id, script string) {
	r.t.Helper()
	if _, err := r.c.Submit(r.t.Context(), []*berthv1.Request{{
		Id: id, Command: []string{"sh", "-c", script}, Resources: &berthv1.Demand{CpuMilli: 100}, StopTimeoutMs: 1000,
	}}); err != nil {
		r.t.Fatal(err)
	}
}

// process is a container's first process, and when that was forked.
func (r *upgrading) process(i int) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, fmt.Sprint("pid-", i)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	pids := strings.Fields(string(text))
	if len(pids) == 0 {
		return ""
	}
	if len(pids) != 1 {
		r.t.Fatalf("%s was started %d times", stayID(i), len(pids))
	}
	stat, err := os.ReadFile("/proc/" + pids[0] + "/stat")
	if err != nil {
		return "gone"
	}
	return pids[0] + " since " + strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))[20]
}

// loadStarts submits until so many containers of the load have begun.
func (r *upgrading) loadStarts(n int) {
	r.t.Helper()
	begun := func() int {
		files, err := filepath.Glob(filepath.Join(r.dir, "ran-*"))
		if err != nil {
			r.t.Fatal(err)
		}
		return len(files)
	}
	for want := begun() + n; begun() < want; {
		in, err := r.c.Info(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for k := in.GetRequests() - upgradeStays; k < upgradeLoad; k++ {
			i := len(r.loaded)
			id := fmt.Sprint("load-", i)
			r.submit(id, fmt.Sprintf(`echo $BERTH_ATTEMPT >>%s/ran-%d; for i in 1 2 3 4 5; do echo line $i; sleep 0.05; done; echo end; exit %d`, r.dir, i, loadCode(i)))
			r.loaded = append(r.loaded, id)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// restart ends the agent, and returns when the next has taken the epoch up.
func (r *upgrading) restart(upgrade bool) {
	r.t.Helper()
	begun := time.Now()
	if !upgrade {
		r.agent.kill()
	} else if code := r.agent.stop(syscall.SIGHUP); code != 0 {
		r.t.Errorf("told to leave, the agent exits with %d", code)
	}
	before := r.registrations()
	r.agent = r.worker("w-1", r.flags...)
	for r.registrations() == before {
		select {
		case <-r.agent.ended:
			r.t.Fatalf("the agent ended: %v", r.agent.err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	r.took = append(r.took, time.Since(begun))
	if now := r.epochNow(); now != r.epoch {
		r.t.Fatalf("epoch %d, after %d", now, r.epoch)
	}
	for i := range upgradeStays {
		if now := r.process(i); now != r.pids[stayID(i)] {
			r.t.Fatalf("%s is process %s, and was %s", stayID(i), now, r.pids[stayID(i)])
		}
	}
}

// registrations are those of all its agents, by their log.
func (r *upgrading) registrations() int {
	r.t.Helper()
	text, err := os.ReadFile(r.agent.log)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Count(string(text), "registered")
}

func (r *upgrading) finish() {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "stop"), nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
	waitIdle(r.t, r.c)
	ended := map[string]*berthv1.Status{}
	if err := r.c.List(context.WithoutCancel(r.t.Context()), &berthv1.Filter{Ended: true}, func(s *berthv1.Status) error {
		ended[s.GetId()] = s
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	for i := range upgradeStays {
		r.whole(ended[stayID(i)], stayCode(i))
	}
	mayHave := 0
	for i, id := range r.loaded {
		if ended[id].GetAttempt() > 1 {
			mayHave++ // the agent was killed between record and charge: another attempt ran
		}
		r.ranOnce(i, ended[id].GetAttempt())
		r.whole(ended[id], loadCode(i))
	}
	slices.Sort(r.took)
	r.t.Logf("%d restarts in one epoch: %d containers through all of them, %d under them whole, %d of which were started a second time since the first start had not come so far; back after %v (median; longest %v)",
		len(r.took), upgradeStays, len(r.loaded), mayHave, r.took[len(r.took)/2].Round(time.Millisecond), r.took[len(r.took)-1].Round(time.Millisecond))
	if mayHave > len(r.loaded)/4 {
		r.t.Errorf("%d of %d containers may have run", mayHave, len(r.loaded))
	}
}

// whole checks that a container ran once, and that all it said is there, once.
func (r *upgrading) whole(s *berthv1.Status, code int) {
	r.t.Helper()
	if s.GetExit().GetKind() != "exited" || s.GetExit().GetCode() != int64(code) {
		r.t.Errorf("%s: %v, want exit code %d", s.GetId(), s, code)
		return
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "w-1", "logs", s.GetId(), fmt.Sprint(s.GetAttempt()), "stdout.log"))
	if err != nil {
		r.t.Error(err)
		return
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		want := "line " + strconv.Itoa(i+1)
		if i == len(lines)-1 {
			want = "end"
		}
		if line != want {
			r.t.Errorf("%s: line %d of %d is %q, want %q", s.GetId(), i+1, len(lines), line, want)
			return
		}
	}
}

// ranOnce checks that of all attempts of a request the last alone has run.
func (r *upgrading) ranOnce(i int, attempt int64) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, fmt.Sprint("ran-", i)))
	if err != nil || string(text) != fmt.Sprintln(attempt) {
		r.t.Errorf("%s: attempts %q ran (%v), want %d alone", r.loaded[i], text, err, attempt)
	}
}
