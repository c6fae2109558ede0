package process

import (
	"testing"
	"time"

	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

func boottime() time.Duration { return shim.Boottime() }

// shimOf is the process of a container's shim.
func shimOf(t *testing.T, h harness, spec worker.Spec) int {
	t.Helper()
	held, pid, err := shim.Held(h.path(attempt{spec.Request, spec.Attempt}))
	if err != nil || !held || pid == 0 {
		t.Fatalf("no shim of %s: %v %d %v", spec.Request, held, pid, err)
	}
	return pid
}
