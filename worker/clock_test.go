package worker

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
)

func TestAlarm(t *testing.T) {
	clock := bootClock{}
	a, err := clock.NewAlarm()
	if err != nil {
		t.Fatal(err)
	}
	at := clock.Now() + time.Hour
	a.Set(at)
	at = clock.Now() + 20*time.Millisecond // in place of the hour
	a.Set(at)
	<-a.C()
	if now := clock.Now(); now < at {
		t.Errorf("fired %v early", at-now)
	}
	a.Set(0) // long ago: at once
	<-a.C()
	a.Close()
	a.Close()          // again: nothing
	a.Set(clock.Now()) // after close: nothing
	if _, open := <-a.C(); open {
		t.Error("fired after close")
	}
}

// The machine's wall clock is set an hour on and back again at each look: leases
// are kept, containers are left alone, and their deadline is kept to. (Nobody can
// set CLOCK_BOOTTIME: the kernel refuses.)
func TestRun_WallClockSet(t *testing.T) {
	if err := unix.ClockSettime(unix.CLOCK_BOOTTIME, &unix.Timespec{Sec: 1}); err == nil {
		t.Fatal("CLOCK_BOOTTIME was set")
	}
	s, cut := newCutSite(t)
	opts := s.testOptions("w1")
	var looks atomic.Int64
	opts.Now = func() time.Time {
		return time.Now().Round(0).Add(time.Duration(looks.Add(1)%3-1) * time.Hour)
	}
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r"), nil)
	c := a.runtime.next(t)
	s.await("w1", "r", berth.StateRunning)
	for first := a.runtime.deadline(); a.runtime.deadline().Kill < first.Kill+2*opts.TTL; {
		<-time.After(10 * time.Millisecond)
	}
	if len(c.stops)+len(c.kills) > 0 {
		t.Error("it was touched though its lease was kept alive")
	}
	cut()
	latest := bootClock{}.Now() + opts.TTL
	receive(t, c.stops, "SIGTERM")
	if killed := receive(t, c.kills, "SIGKILL"); killed >= latest || killed < latest-opts.TTL {
		t.Errorf("killed %v before the lease's deadline", latest-killed)
	}
}

func (r *fakeRuntime) deadline() Deadline {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.renewed
}
