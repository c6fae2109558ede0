package integration_test

import (
	"context"
	"errors"
	"path/filepath"
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

// An agent that is stopped (SIGSTOP) cannot kill at its lease's deadline. The
// shims do: when the request runs again elsewhere, nothing of it runs here, not
// even what has left its session. The second container would find the lock held,
// and exit with 99.
func TestAgent_Stopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.daemon()
	flags := []string{"--cpu", "1", "--memory", "1GiB", "--ttl", "3s", "--log-level", "warn"}
	agents := map[string]*proc{"stop-1": f.worker("stop-1", flags...), "stop-2": f.worker("stop-2", flags...)}
	c := f.client()
	defer c.Close()
	f.waitReady(c, 2)
	lock := filepath.Join(f.dir, "lock")
	// What holds the lock is a process that left the session and its parent.
	script := "(setsid flock -n -E 99 " + lock + " sleep 1010; echo $? >" + lock + ".code) & trap '' TERM; while :; do sleep 0.05; [ -e " + lock + ".code ] && exit $(cat " + lock + ".code); done"
	if _, err := c.Submit(t.Context(), []*berthv1.Request{{
		Id: "r", Command: []string{"sh", "-c", script}, Resources: &berthv1.Demand{CpuMilli: 100}, StopTimeoutMs: 100,
	}}); err != nil {
		t.Fatal(err)
	}
	first := reach(t, c, "r", func(s *berthv1.Status) bool { return s.GetState() == "RUNNING" })
	agent := agents[first.GetWorker()]
	if err := agent.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	second := reach(t, c, "r", func(s *berthv1.Status) bool {
		return s.GetEndedAt() != nil || (s.GetAttempt() == 2 && s.GetState() == "RUNNING")
	})
	<-time.After(300 * time.Millisecond) // it looks for the lock
	if s, err := c.Get(t.Context(), "r"); err != nil || s.GetState() != "RUNNING" || second.GetWorker() == first.GetWorker() {
		t.Errorf("%v %v; want it to run on the other worker, alone", s, err)
	}
	if err := agent.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Cancel(t.Context(), "r", "enough"); err != nil {
		t.Error(err)
	}
	reach(t, c, "r", func(s *berthv1.Status) bool { return s.GetState() == "CANCELLED" })
	for _, a := range agents {
		if code := a.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("%s exits with %d", a.name, code)
		}
	}
}
