package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

var (
	chaos     = flag.Bool("chaos", false, "the whole of TestChaos, not a short one")
	chaosSeed = flag.Uint64("chaos-seed", 0, "of TestChaos; 0: a new one")
)

// inFlight is how many requests must be in flight at each kill.
const inFlight = 200

// TestChaos kills the daemon, and with it the store, and a worker's agent, at
// random moments of a running load, with SIGKILL. Every request that was
// acknowledged, as a process of its own recorded it, ends exactly once and as it
// should; nothing of any worker's capacity leaks; `berth fsck --watch` sees no
// violation at any revision; no two containers of one request ever meet.
func TestChaos(t *testing.T) {
	kills, workerKills, total := 3, 1, 800
	if *chaos {
		kills, workerKills, total = 20, 5, 5_000
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-chaos-seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	f := newFleet(t)
	locks := filepath.Join(f.dir, "locks")
	if err := os.Mkdir(locks, 0o700); err != nil {
		t.Fatal(err)
	}
	d := f.daemon()
	fsck := f.start("fsck", nil, binary(t), "fsck", "--watch", "--etcd-endpoints", f.endpoint())
	f.hollow("10", "--pool", "hollow", "--name", "hollow", "--log-level", "warn")
	flags := []string{"--pool", "real", "--cpu", "4", "--memory", "4GiB", "--ttl", "4s", "--log-level", "warn"}
	agents := []*proc{f.worker("real-1", flags...), f.worker("real-2", flags...)}
	c := f.client()
	defer c.Close()
	f.waitReady(c, 12)

	config, err := json.Marshal(submitterConfig{
		Socket: f.socket(), Record: filepath.Join(f.dir, "record"), Locks: locks, Open: 2 * inFlight, Total: max(total, 1_000_000), Seed: seed,
	})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	submitter := f.start("submitter", []string{submitterVariable + "=" + string(config)}, self)
	least := int64(1 << 40)
	for i := range kills {
		least = min(least, waitLoad(t, c, submitter, random))
		d.kill()
		d = f.daemon()
		if (i+1)*workerKills/kills > i*workerKills/kills {
			least = min(least, waitLoad(t, c, submitter, random))
			a := random.IntN(len(agents))
			agents[a].kill()
			agents[a] = f.worker(agents[a].name, flags...)
		}
	}
	for accepted(t, f) < total {
		waitLoad(t, c, submitter, random)
	}
	if code := submitter.stop(syscall.SIGTERM); code != 0 {
		t.Fatalf("the submitter ended with %d: %s", code, submitter.tail())
	}
	if least < inFlight {
		t.Errorf("only %d requests were in flight at a kill, of at least %d", least, inFlight)
	}
	waitIdle(t, c)
	n := checkRecord(t, f, c)
	if code := fsck.stop(syscall.SIGINT); code != 0 {
		t.Errorf("fsck --watch exits with %d:\n%s", code, fsck.tail())
	}
	summary := strings.TrimSpace(fsck.tail())
	if strings.Contains(summary, "unseen") {
		t.Errorf("fsck --watch missed revisions: %s", summary)
	}
	t.Logf("%d accepted; the daemon killed %d times, an agent %d times, at least %d in flight; fsck --watch: %s", n, kills, workerKills, least, summary)
}

// waitLoad waits until enough is in flight, and a random moment more; it
// returns how much is in flight then.
func waitLoad(t *testing.T, c *client.Client, submitter *proc, random *rand.Rand) int64 {
	t.Helper()
	for {
		<-time.After(time.Duration(random.IntN(400)) * time.Millisecond)
		in, err := c.Info(t.Context())
		if err == nil && in.GetRequests() >= inFlight {
			return in.GetRequests()
		}
		select {
		case <-submitter.ended:
			t.Fatalf("the submitter ended: %v\n%s", submitter.err, submitter.tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// waitIdle waits until every request has ended.
func waitIdle(t *testing.T, c *client.Client) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		in, err := c.Info(t.Context())
		if err == nil && in.GetRequests() == 0 {
			return
		}
		if time.Now().After(end) {
			var left []string
			_ = c.List(t.Context(), &berthv1.Filter{}, func(s *berthv1.Status) error {
				left = append(left, s.String())
				return nil
			})
			t.Fatalf("%d requests do not end (%v): %s", len(left), err, strings.Join(left[:min(5, len(left))], "\n"))
		}
		<-time.After(50 * time.Millisecond)
	}
}

func record(t *testing.T, f *fleet) []acknowledged {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "record"))
	if err != nil {
		t.Fatal(err)
	}
	var out []acknowledged
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var a acknowledged
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func accepted(t *testing.T, f *fleet) int {
	t.Helper()
	return len(record(t, f))
}

// checkRecord compares what was acknowledged with how it ended.
func checkRecord(t *testing.T, f *fleet, c *client.Client) int {
	t.Helper()
	ended := map[string]*berthv1.Status{}
	if err := c.List(t.Context(), &berthv1.Filter{Ended: true}, func(s *berthv1.Status) error {
		ended[s.GetId()] = s
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	all := record(t, f)
	for _, a := range all {
		if s := ended[a.ID]; s == nil {
			t.Errorf("%s was acknowledged, and is lost", a.ID)
		} else if why := a.wrong(s); why != "" {
			t.Errorf("%s %s: %v", a.ID, why, s)
		}
		delete(ended, a.ID)
	}
	for id := range ended {
		t.Errorf("%s ended, and was never acknowledged", id)
	}
	workers, err := c.Workers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range workers {
		if r := w.GetReserved(); w.GetCount() != 0 || r.GetCpuMilli() != 0 || r.GetMemoryBytes() != 0 {
			t.Errorf("worker %s: capacity leaks: %v", w.GetId(), w)
		}
	}
	return len(all)
}

// wrong says what is not as it should be.
func (a *acknowledged) wrong(s *berthv1.Status) string {
	exit := s.GetExit()
	switch {
	case a.Cancel && s.GetState() == "CANCELLED":
		return ""
	case exit.GetCode() == 99:
		return "ran twice at once"
	case a.Code == 0 && s.GetState() != "SUCCEEDED":
		return "should have succeeded"
	case a.Code != 0 && (s.GetState() != "FAILED" || exit.GetKind() != "exited" || exit.GetCode() != a.Code):
		return fmt.Sprintf("should have failed with exit code %d", a.Code)
	}
	return ""
}
