package process

import (
	"os"
	"path/filepath"
	"strings"
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

// Each process gets SIGTERM once, though it is found in several places, the agent
// orders it again, and the deadline comes as well; and what it forks to tidy up is
// left alone.
func TestStop_Once(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		const each = "trap 'echo term; /bin/sleep 0.3 && echo tidied' TERM; echo up; while :; do sleep 0.1 & wait $!; done"
		spec := h.spec("once", sh("trap : TERM; for i in 1 2 3 4 5 6 7 8 9 10; do ("+each+") & done; while :; do wait; done")...)
		c := h.start(t, spec)
		said := func(what string) int { return strings.Count(h.output2(spec), what+"\n") }
		eventually(t, func() bool { return said("up") == 10 })
		now := boottime()
		h.Renew(1, worker.Deadline{Stop: now + 500*time.Millisecond, Kill: now + time.Hour})
		c.Stop(time.Minute, "")
		c.Stop(50*time.Second, "the worker is to end")
		eventually(t, func() bool { return boottime() > now+time.Second })
		c.Stop(40*time.Second, "")
		eventually(t, func() bool { return said("tidied") >= 10 })
		c.Kill()
		wait(t, c)
		if terms, tidied := said("term"), said("tidied"); terms != 10 || tidied != 10 {
			t.Errorf("10 processes got SIGTERM %d times, and tidied up %d times", terms, tidied)
		}
	})
}
