package robustness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// partSeeds is how many seeds one process runs before it ends: what it holds is
// bounded, and so is the work that an interrupt throws away.
const partSeeds = 50

// share runs the seeds in processes of this program, so many at once. It ends at
// the first part that fails, and, told to end, with what it has.
func (r *runner) share(t *testing.T, processes int) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	parts := make(chan part)
	var group sync.WaitGroup
	var mu sync.Mutex // guards r
	for i := range processes {
		group.Go(func() {
			for p := range parts {
				done, out, err := runPart(ctx, p, filepath.Join(t.TempDir(), fmt.Sprint("report", i)))
				mu.Lock()
				switch {
				case err == nil:
					r.report.add(done)
					r.tell(t)
				case ctx.Err() == nil:
					t.Errorf("seeds from %d on: %v\n%s", p.first, err, out)
					fail()
				}
				mu.Unlock()
			}
		})
	}
	for at := 0; at < r.seeds && ctx.Err() == nil; at += partSeeds {
		select {
		case parts <- part{r.first + uint64(at), min(partSeeds, r.seeds-at), max(0, min(partSeeds, r.twice-at))}: //nolint:gosec // below seeds
		case <-ctx.Done():
		}
	}
	close(parts)
	group.Wait()
	if ctx.Err() != nil && !t.Failed() {
		t.Errorf("told to end after %d of %d seeds", r.report.Seeds, r.seeds)
	}
}

// runPart runs some seeds in a process, and returns what they have shown, or what
// the process has printed.
func runPart(ctx context.Context, p part, file string) (*report, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	//nolint:gosec // this very program
	cmd := exec.CommandContext(ctx, self, "-test.run=^TestSim$", "-test.timeout=0", "-sim.report="+file,
		fmt.Sprint("-sim.seed=", p.first), fmt.Sprint("-sim.seeds=", p.seeds), fmt.Sprint("-sim.twice=", p.twice))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // an interrupt is for its parent
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return nil, out.String(), err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, out.String(), err
	}
	r := newReport()
	return r, out.String(), json.Unmarshal(b, r)
}

func (r *report) write(path string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
