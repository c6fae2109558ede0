package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// A stop order's grace is longer than what is left of the lease, which is renewed
// all the while: the container has its grace.
func TestStop_GraceBeyondTheLease(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		// It ends when the test lets it: the machine may be slow.
		spec := h.spec("graceful", sh("trap 'while [ ! -e "+h.opts.StateDir+"/go ]; do sleep 0.05; done; echo saved; exit 5' TERM; echo up; while :; do sleep 0.05; done")...)
		c := h.start(t, spec)
		eventually(t, func() bool { return h.output2(spec) == "up\n" })
		now := boottime()
		const lease = 3 * time.Second
		h.Renew(1, worker.Deadline{Stop: now + lease - 1, Kill: now + lease})
		c.Stop(time.Minute, "")
		h.Renew(1, worker.Deadline{Stop: now + time.Hour, Kill: now + time.Hour + 1})
		eventually(t, func() bool { return boottime() > now+lease+500*time.Millisecond })
		if err := os.WriteFile(filepath.Join(h.opts.StateDir, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if exit := wait(t, c); exit.Kind != berth.ExitExited || exit.Code != 5 {
			t.Errorf("%+v, though its grace was a minute", exit)
		}
		if got := h.output(t, spec, worker.Stdout); got != "up\nsaved\n" {
			t.Errorf("output %q", got)
		}
	})
}
