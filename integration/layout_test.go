package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/integration/realetcd"
)

// refusal is what a program says of a layout that it does not know.
const refusal = "the store's layout is newer than this program; upgrade it"

// newerBinary is the program as it would be with one layout more; its shim is the
// same. No flag of a user can make one.
func newerBinary(t *testing.T) string {
	t.Helper()
	path := binary(t) + "-newer"
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.newestLayout=2", "-o", path, "github.com/berthd/berth/cmd/berth")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// upgradeRig is programs of two layouts on one store of another process.
type upgradeRig struct {
	*fleet
	store *clientv3.Client
}

func newUpgradeRig(t *testing.T) *upgradeRig {
	t.Helper()
	cluster := realetcd.New(t, realetcd.Options{Members: 1})
	f := &fleet{t: t, dir: t.TempDir(), etcd: strings.TrimPrefix(cluster.Endpoint(0), "http://")}
	return &upgradeRig{fleet: f, store: cluster.Client()}
}

// startDaemon starts one of the given program, which may refuse the store.
func (r *upgradeRig) startDaemon(program, name string) (p *proc, socket string) {
	r.t.Helper()
	socket = filepath.Join(r.dir, name+".sock")
	return r.start(name, nil, program, "daemon", "--name", name, "--etcd-endpoints", r.endpoint(), "--socket", socket, "--listen", ""), socket
}

// serving starts a daemon, and returns when it answers.
func (r *upgradeRig) serving(program, name string) (*proc, *client.Client) {
	r.t.Helper()
	p, socket := r.startDaemon(program, name)
	c := r.clientOn(socket)
	r.t.Cleanup(c.Close)
	p.answers(c)
	return p, c
}

func (r *upgradeRig) agent(program, name, memory string) *proc {
	r.t.Helper()
	return r.start(name, nil, program, "worker", "--name", name, "--data-dir", filepath.Join(r.dir, name), "--etcd-endpoints", r.endpoint(),
		"--cpu", "4", "--memory", memory, "--ttl", "3s")
}

// oldAgents is how many agents of the older program there are: of so many, each daemon owns some.
const oldAgents = 4

// submit submits one request whose container traces its start, and its end when
// it is asked to end; one that meets another of its request says so.
func (r *upgradeRig) submit(c *client.Client, id string) {
	r.t.Helper()
	trace := filepath.Join(r.dir, id)
	script := fmt.Sprintf(`exec 9>%[1]s.lock; flock -n 9 || { echo OVERLAP >>%[1]s; exit 99; }
trap 'echo "end $BERTH_ATTEMPT" >>%[1]s; exit 0' TERM; echo "start $BERTH_ATTEMPT" >>%[1]s; while :; do sleep 0.1; done`, trace)
	_, err := c.Submit(r.t.Context(), []*berthv1.Request{{
		Id: id, Command: []string{"sh", "-c", script}, Resources: &berthv1.Demand{CpuMilli: 10, MemoryBytes: 32 << 20},
		Retry: &berthv1.RetryPolicy{MaxAttempts: 5}, StopTimeoutMs: 30_000,
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	reach(r.t, c, id, func(s *berthv1.Status) bool { return s.GetState() == "RUNNING" })
	r.awaitTrace(id, "start 1")
}

// trace is what the containers of a request have written, in one line.
func (r *upgradeRig) trace(id string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, id))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", ")
}

// awaitTrace: a container runs before it has written that.
func (r *upgradeRig) awaitTrace(id, want string) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); r.trace(id) != want; {
		if time.Now().After(end) {
			r.t.Fatalf("the containers of %s: %q, want %q", id, r.trace(id), want)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// wantTrace is for what must have happened by now.
func (r *upgradeRig) wantTrace(id, want string) {
	r.t.Helper()
	if got := r.trace(id); got != want {
		r.t.Errorf("the containers of %s: %q, want %q", id, got, want)
	}
}

// layout is the store's, and the revision that put it.
func (r *upgradeRig) layout() (layout, put int64) {
	r.t.Helper()
	resp, err := r.store.Get(r.t.Context(), prefix+"schema")
	if err != nil || len(resp.Kvs) != 1 {
		r.t.Fatalf("schema: %v, %v", resp, err)
	}
	var rec struct{ Layout int64 }
	if err := json.Unmarshal(resp.Kvs[0].Value, &rec); err != nil {
		r.t.Fatal(err)
	}
	return rec.Layout, resp.Kvs[0].ModRevision
}

// planners counts the daemons that placed what is there now: each plan's id
// begins with its process's own.
func (r *upgradeRig) planners() int {
	r.t.Helper()
	resp, err := r.store.Get(r.t.Context(), prefix+"allocations/", clientv3.WithPrefix())
	if err != nil {
		r.t.Fatal(err)
	}
	by := map[string]bool{}
	for _, kv := range resp.Kvs {
		var rec struct {
			PlanID string `json:"plan_id"`
		}
		if err := json.Unmarshal(kv.Value, &rec); err != nil {
			r.t.Fatal(err)
		}
		process, _, ok := strings.Cut(rec.PlanID, "-")
		if !ok {
			r.t.Fatalf("%s has the plan id %q", kv.Key, rec.PlanID)
		}
		by[process] = true
	}
	return len(by)
}

// raised waits until the store's layout is 2.
func (r *upgradeRig) raised() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	_, put := r.layout()
	for resp := range r.store.Watch(ctx, prefix+"schema", clientv3.WithRev(put)) {
		for range resp.Events {
			if layout, _ := r.layout(); layout == 2 {
				return
			}
		}
	}
	r.t.Fatal("the layout is not raised, though every daemon knows the next")
}

// refused waits for the end of a program that the store's layout is too new for.
func (p *proc) refused() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Fatalf("%s goes on with a layout that it does not know", p.name)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		p.t.Errorf("%s ended with %d, want 1", p.name, code)
	}
	if !strings.Contains(p.tail(), refusal) {
		p.t.Errorf("%s does not say %q:\n%s", p.name, refusal, p.tail())
	}
}

// Daemons of two layouts work side by side on the older one. It is raised when the
// last old daemon has ended; then the old program is refused: as a daemon at its
// start, as an agent by its next transaction. That agent's containers are asked
// to end before it does, and run again on an agent of the new layout.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	older, newer := binary(t), newerBinary(t)
	r := newUpgradeRig(t)
	oldDaemon, viaOld := r.serving(older, "old")
	agents := map[string]*proc{} // of which each daemon owns some, by their names: the owner of a worker places there
	for i := range oldAgents {
		name := fmt.Sprint("w-old-", i)
		agents[name] = r.agent(older, name, "1GiB")
	}
	r.waitReady(viaOld, oldAgents)
	_, viaNew := r.serving(newer, "new")
	_, put := r.layout()

	// Both place: a few requests are enough for all workers to have some, whoever is asked.
	var ids []string
	for i := 0; i < 2 || r.planners() < 2; i++ {
		if i == 50 {
			t.Fatal("one of the daemons places nothing")
		}
		id := fmt.Sprintf("r%02d", i)
		r.submit([]*client.Client{viaOld, viaNew}[i%2], id)
		ids = append(ids, id)
	}
	<-time.After(5 * time.Second) // the new daemon looks every 2 s whether it may raise the layout
	if layout, now := r.layout(); layout != 1 || now != put {
		t.Errorf("layout %d, put at revision %d; want 1, left as it was put at %d, while the old daemon lives", layout, now, put)
	}
	out, err := exec.CommandContext(t.Context(), older, "fsck", "--etcd-endpoints", r.endpoint()).CombinedOutput()
	if err != nil {
		t.Errorf("fsck of the mixed daemons' work: %v\n%s", err, out)
	}

	if code := oldDaemon.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the old daemon ended with %d", code)
	}
	r.raised()
	again, _ := r.startDaemon(older, "old-again")
	again.refused()

	// What runs on the old agent still does, until it has something to report.
	for _, id := range ids {
		r.wantTrace(id, "start 1")
	}
	first := map[string]string{} // of each agent: a request that runs there
	var rest []string
	for _, id := range ids {
		s, err := viaNew.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if first[s.GetWorker()] != "" {
			rest = append(rest, id)
			continue
		}
		first[s.GetWorker()] = id
		if _, err := viaNew.Cancel(t.Context(), id, ""); err != nil {
			t.Fatal(err)
		}
	}
	for w := range first {
		agents[w].refused()
	}
	for _, id := range ids {
		r.wantTrace(id, "start 1, end 1")
	}
	r.agent(newer, "w-new", "4GiB")
	cancelled := func(s *berthv1.Status) bool { return s.GetState() == "CANCELLED" }
	for _, id := range first {
		reach(t, viaNew, id, cancelled)
	}
	for _, id := range rest {
		r.awaitTrace(id, "start 1, end 1, start 2")
		if _, err := viaNew.Cancel(t.Context(), id, ""); err != nil {
			t.Fatal(err)
		}
		reach(t, viaNew, id, cancelled)
	}
}
