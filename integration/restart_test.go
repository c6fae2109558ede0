package integration_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

var restarts = flag.Int("restarts", 5, "of the agent, in TestAgent_Restarted")

// said is what each container says, a line each 200 ms.
const said = 10

// An agent that is killed and started again under load finds its containers as
// they were: it stays in its epoch, what had begun goes on, its output is whole,
// and its exit code is its own.
func TestAgent_Restarted(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.daemon()
	flags := []string{"--cpu", "16", "--memory", "16GiB", "--ttl", "20s", "--no-cgroups", "--log-level", "warn"}
	agent := f.worker("restarted", flags...)
	c := f.client()
	defer c.Close()
	f.waitReady(c, 1)
	epoch := epochOf(t, c)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var codes []int
	load.Go(func() { codes = submitSayers(t, f, c, stop) })
	for range *restarts {
		<-time.After(700 * time.Millisecond)
		agent.kill()
		agent = f.worker("restarted", flags...)
	}
	close(stop)
	load.Wait()
	waitIdle(t, c)
	if now := epochOf(t, c); now != epoch {
		t.Errorf("epoch %d became %d", epoch, now)
	}
	again := 0
	for i, code := range codes {
		id := fmt.Sprintf("r%05d", i)
		s, err := c.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if s.GetExit().GetKind() != "exited" || s.GetExit().GetCode() != int64(code) {
			t.Errorf("%s: %v, want exit code %d", id, s, code)
		}
		if s.GetAttempt() > 1 {
			again++
		}
		f.checkSaid(c, id, s.GetAttempt())
	}
	t.Logf("%d restarts under load of %d containers: %d of them were in the midst of their start, and were started again", *restarts, len(codes), again)
}

func epochOf(t *testing.T, c *client.Client) int64 {
	t.Helper()
	all, err := c.Workers(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	return all[0].GetEpoch()
}

// submitSayers submits ten a second, and returns what each is to exit with.
func submitSayers(t *testing.T, f *fleet, c *client.Client, stop <-chan struct{}) (codes []int) {
	for {
		select {
		case <-stop:
			return codes
		case <-time.After(100 * time.Millisecond):
		}
		n := len(codes)
		code := n % 3
		begun := filepath.Join(f.dir, fmt.Sprintf("begun-r%05d", n))
		script := fmt.Sprintf("echo $BERTH_ATTEMPT >>%s; i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); sleep 0.2; done; exit %d", begun, said, code)
		if _, err := c.Submit(t.Context(), []*berthv1.Request{{
			Id: fmt.Sprintf("r%05d", n), Command: []string{"sh", "-c", script},
			Resources: &berthv1.Demand{CpuMilli: 100}, Retry: &berthv1.RetryPolicy{MaxAttempts: 100},
		}}); err != nil {
			t.Errorf("submit: %v", err)
			return codes
		}
		codes = append(codes, code)
	}
}

// checkSaid looks that what begun was never begun again, and its output.
func (f *fleet) checkSaid(c *client.Client, id string, attempt int64) {
	f.t.Helper()
	begun, err := os.ReadFile(filepath.Join(f.dir, "begun-"+id))
	if err != nil || strings.TrimSpace(string(begun)) != strconv.FormatInt(attempt, 10) {
		f.t.Errorf("%s began as attempts %q, and ended as %d: %v", id, begun, attempt, err)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	var out []byte
	if err := c.Logs(ctx, &berthv1.LogsRequest{Id: id, Stream: "stdout"}, func(r *berthv1.LogsResponse) error {
		out = append(out, r.GetData()...)
		return nil
	}); err != nil {
		f.t.Errorf("logs of %s: %v", id, err)
	}
	var want []string
	for i := range said {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	if got := strings.Split(strings.TrimSpace(string(out)), "\n"); !slices.Equal(got, want) {
		f.t.Errorf("%s said %q", id, got)
	}
}
