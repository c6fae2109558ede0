package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// reach waits until ok holds of a request, through the API.
func reach(t *testing.T, c *client.Client, id string, ok func(*berthv1.Status) bool) *berthv1.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reached := errors.New("reached")
	var last *berthv1.Status
	err := c.Watch(ctx, &berthv1.Filter{Ids: []string{id}}, func(s *berthv1.Status) error {
		if last = s; ok(s) {
			return reached
		}
		return nil
	})
	if !errors.Is(err, reached) {
		t.Fatalf("%s did not get there: %v; last %v", id, err, last)
	}
	return last
}

// An agent that is stopped (SIGSTOP) for longer than its lease, or killed and never
// restarted, cannot kill at its lease's deadline. The shims do: when the request
// runs again elsewhere, nothing of it runs here, not even what has left its session.
// The second container would find the lock held, and exit with 99; and both say
// when they ran, by CLOCK_BOOTTIME.
func TestAgent_Gone(t *testing.T) {
	for name, how := range map[string]syscall.Signal{"stopped": syscall.SIGSTOP, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agentGone(t, how)
		})
	}
}

// goneTTL is the lease's of the agents of TestAgent_Gone.
const goneTTL = 3 * time.Second

func agentGone(t *testing.T, how syscall.Signal) {
	f := newFleet(t)
	f.daemon()
	flags := []string{"--cpu", "1", "--memory", "1GiB", "--ttl", goneTTL.String(), "--log-level", "warn"}
	agents := map[string]*proc{"gone-1": f.worker("gone-1", flags...), "gone-2": f.worker("gone-2", flags...)}
	c := f.client()
	defer c.Close()
	f.waitReady(c, 2)
	// What holds the lock and leaves the trace has left the session and its parent.
	trace := `while :; do read up rest </proc/uptime; echo $BERTH_ATTEMPT $up >>` + f.dir + `/trace; sleep 0.01; done`
	script := `(setsid flock -n -E 99 ` + f.dir + `/lock sh -c 'trap "" TERM; ` + trace + `'; echo $? >` + f.dir + `/code) & trap "" TERM; ` +
		`while :; do sleep 0.05; [ -e ` + f.dir + `/code ] && exit $(cat ` + f.dir + `/code); done`
	if _, err := c.Submit(t.Context(), []*berthv1.Request{{
		Id: "r", Command: []string{"sh", "-c", script}, Resources: &berthv1.Demand{CpuMilli: 100}, StopTimeoutMs: 100,
	}}); err != nil {
		t.Fatal(err)
	}
	first := reach(t, c, "r", func(s *berthv1.Status) bool { return s.GetState() == "RUNNING" })
	waitTrace(t, f, "1")
	agent := agents[first.GetWorker()]
	gone := uptime(t)
	if err := agent.cmd.Process.Signal(how); err != nil {
		t.Fatal(err)
	}
	second := reach(t, c, "r", func(s *berthv1.Status) bool {
		return s.GetEndedAt() != nil || (s.GetAttempt() == 2 && s.GetState() == "RUNNING")
	})
	waitTrace(t, f, "2")
	if how == syscall.SIGSTOP {
		if err := agent.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := c.Get(t.Context(), "r"); err != nil || s.GetState() != "RUNNING" || second.GetWorker() == first.GetWorker() {
		t.Errorf("%v %v; want it to run on the other worker, alone", s, err)
	}
	if _, err := c.Cancel(t.Context(), "r", "enough"); err != nil {
		t.Error(err)
	}
	reach(t, c, "r", func(s *berthv1.Status) bool { return s.GetState() == "CANCELLED" })
	checkTrace(t, f, gone)
	for _, a := range agents {
		if code := a.stop(syscall.SIGTERM); code != 0 && (a != agent || how != syscall.SIGKILL) {
			t.Errorf("%s exits with %d", a.name, code)
		}
	}
}

// uptime is CLOCK_BOOTTIME, as the traces tell it.
func uptime(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var up float64
	if _, err := fmt.Sscan(string(text), &up); err != nil {
		t.Fatal(err)
	}
	return up
}

// moments are when each attempt was seen to run.
func moments(t *testing.T, f *fleet) map[string][]float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "trace"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	out := map[string][]float64{}
	for line := range strings.Lines(string(text)) {
		var attempt string
		var up float64
		if _, err := fmt.Sscan(line, &attempt, &up); err == nil {
			out[attempt] = append(out[attempt], up)
		}
	}
	return out
}

func waitTrace(t *testing.T, f *fleet, attempt string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); len(moments(t, f)[attempt]) == 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("attempt %s leaves no trace", attempt)
		}
	}
}

// checkTrace: the first attempt is dead before its lease can have ended, and
// before the second begins.
func checkTrace(t *testing.T, f *fleet, gone float64) {
	t.Helper()
	m := moments(t, f)
	last, next := slices.Max(m["1"]), slices.Min(m["2"])
	t.Logf("last seen %.2f s after its agent was gone, again %.2f s after that (lease of %s)", last-gone, next-last, goneTTL)
	if last >= next {
		t.Errorf("the first attempt ran until %.2f, the second from %.2f on", last, next)
	}
	// The last keepalive was sent before the agent was gone: its deadline is over by then.
	if last-gone > goneTTL.Seconds() {
		t.Errorf("it ran %.2f s on, beyond the lease of %s", last-gone, goneTTL)
	}
}
