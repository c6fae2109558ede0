package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// restoreRig is a fleet whose containers write their start and their end, and
// whether another container of the same request ran meanwhile.
type restoreRig struct {
	*fleet
	c      *client.Client
	traces string
}

func (r *restoreRig) verb(args ...string) string {
	r.t.Helper()
	out, err := exec.CommandContext(r.t.Context(), binary(r.t), args...).Output()
	if err != nil {
		r.t.Fatalf("berth %s: %v %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// submit submits requests of one core each, which run until they are stopped.
func (r *restoreRig) submit(ids ...string) {
	r.t.Helper()
	var all []*berthv1.Request
	for _, id := range ids {
		lock, trace := filepath.Join(r.traces, id+".lock"), filepath.Join(r.traces, id)
		// What holds the lock is the whole tree: its end is the tree's.
		script := fmt.Sprintf(`exec 9>%s; flock -n 9 || { echo OVERLAP >>%s; exit 99; }; echo start $BERTH_ATTEMPT >>%s; while :; do sleep 1; done`, lock, trace, trace)
		all = append(all, &berthv1.Request{
			Id: id, Command: []string{"sh", "-c", script}, Resources: &berthv1.Demand{CpuMilli: 1000},
			Retry: &berthv1.RetryPolicy{MaxAttempts: 20}, StopTimeoutMs: 500,
		})
	}
	if _, err := r.c.Submit(r.t.Context(), all); err != nil {
		r.t.Fatal(err)
	}
}

// await waits until the state of each request is want.
func (r *restoreRig) await(want string, ids ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	for _, id := range ids {
		for {
			s, err := r.c.Get(ctx, id)
			if err == nil && s.GetState() == want {
				break
			}
			r.starts(id)
			if ctx.Err() != nil {
				r.t.Fatalf("%s: %v, %v; want %s", id, s, err, want)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
}

func (r *restoreRig) cancel(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		if _, err := r.c.Cancel(r.t.Context(), id, ""); err != nil {
			r.t.Fatal(err)
		}
	}
}

// starts counts those of a request that its containers have written.
func (r *restoreRig) starts(id string) int {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.traces, id))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	if strings.Contains(string(text), "OVERLAP") {
		r.t.Errorf("two containers of %s ran at once:\n%s", id, text)
	}
	return strings.Count(string(text), "start")
}

func (r *restoreRig) epochs() map[string]int64 {
	r.t.Helper()
	all, err := r.c.Workers(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]int64{}
	for _, w := range all {
		out[w.GetId()] = w.GetEpoch()
	}
	return out
}

func names(what string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", what, i)
	}
	return ids
}

// placing waits until the hold is over.
func (r *restoreRig) placing() {
	r.t.Helper()
	for {
		in, err := r.c.Info(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if in.GetHoldUntil() == nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// An old backup is restored while containers run that it does not know of: on an
// agent that lives, on one that is paused, on one that has registered since. What
// was accepted after it is forgotten, what ended after it runs again, and no two
// containers of one request meet.
func TestRestore(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r := &restoreRig{fleet: f, traces: filepath.Join(f.dir, "traces")}
	if err := os.Mkdir(r.traces, 0o700); err != nil {
		t.Fatal(err)
	}
	d := f.daemon()
	r.c = f.client()
	t.Cleanup(r.c.Close)
	sized := func(cpu string) []string {
		return []string{"--cpu", cpu, "--memory", "4GiB", "--ttl", "8s", "--log-level", "warn"}
	}
	flags := sized("4")
	f.worker("w1", flags...)
	paused := f.worker("w2", flags...)
	f.waitReady(r.c, 2)
	running, queued, later := names("running", 8), names("queued", 3), names("later", 2)
	r.submit(running...)
	r.await("RUNNING", running...)
	r.submit(queued...)
	file := filepath.Join(f.dir, "backup")
	r.verb("backup", "--etcd-endpoints", f.endpoint(), file)

	// The history that is to be forgotten.
	r.cancel(running[:3]...) // so that what is queued in the backup runs
	r.await("RUNNING", queued...)
	killed := f.worker("w3", flags...)
	f.waitReady(r.c, 3)
	r.submit(later...)
	r.await("RUNNING", later...)
	old := r.epochs()
	// Its containers run until their deadline, which the store knows nothing of.
	if err := paused.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	killed.kill()
	d.kill()

	var did struct {
		HoldMS int64 `json:"hold_ms"`
	}
	out := r.verb("restore", "-o", "json", "--longest-ttl", "8s", "--data-dir", filepath.Join(f.dir, "restored"), file)
	if err := json.Unmarshal([]byte(out), &did); err != nil || did.HoldMS < 8000 {
		t.Fatalf("%s: %v", out, err)
	}
	before := map[string]int{}
	for _, id := range slices.Concat(running, queued) {
		before[id] = r.starts(id)
	}
	// Room for all, as soon as the store is there: only the hold is in the way.
	f.worker("w4", sized("12")...)
	f.daemonOn("restored")
	in, err := r.c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if in.GetHoldUntil() == nil {
		t.Error("the daemon does not tell of the hold")
	}
	for _, id := range later {
		if s, err := r.c.Get(t.Context(), id); err == nil {
			t.Errorf("%s was accepted after the backup, and is %s", id, s.GetState())
		}
	}
	e, err := r.c.Explain(t.Context(), queued[0])
	if err != nil || len(e.GetVerdict().GetReasons()) == 0 || e.GetVerdict().GetReasons()[0].GetCode() != "restored" {
		t.Errorf("explain: %v, %v", e, err)
	}
	r.placing()
	if err := paused.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.worker("w3", flags...)
	f.waitReady(r.c, 4)
	for name, epoch := range r.epochs() {
		for _, was := range old {
			if epoch <= was {
				t.Errorf("epoch %d of %s is not beyond those before the restore: %v", epoch, name, old)
			}
		}
	}
	all := slices.Concat(running, queued)
	r.await("RUNNING", all...)
	for _, id := range all {
		for range 1000 { // it runs before it has written that
			if r.starts(id) > before[id] {
				break
			}
			<-time.After(10 * time.Millisecond)
		}
		if n := r.starts(id); n != before[id]+1 {
			t.Errorf("%s started %d times before the restore and %d times with it", id, before[id], n)
		}
	}
	r.submit(later...) // what was forgotten is accepted anew
	r.cancel(slices.Concat(all[3:], later)...)
	r.await("CANCELLED", slices.Concat(all[3:], later)...)
	r.verb("fsck", "--etcd-endpoints", f.endpoint())
	for _, id := range slices.Concat(all, later) {
		r.starts(id)
	}
}
