package worker

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// boottime is the time since boot, suspension included: a lease runs on while
// the machine sleeps, and Go's own monotonic clock does not.
func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("CLOCK_BOOTTIME: %v; without it no deadline of a lease can be kept", err))
	}
	return time.Duration(ts.Nano())
}

// alarm fires at a moment of boottime, at once after a suspension that passed
// it: it is a timerfd, for Go's timers stand still meanwhile.
type alarm struct {
	file *os.File
	C    <-chan struct{} // written by run, closed by it at the end
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	fired := make(chan struct{}, 1) // one is enough: the receiver reads the clock
	a := &alarm{file: os.NewFile(uintptr(fd), "timerfd"), C: fired}
	go a.run(fired)
	return a, nil
}

func (a *alarm) run(fired chan<- struct{}) {
	defer close(fired)
	var expirations [8]byte
	for {
		if _, err := a.file.Read(expirations[:]); err != nil {
			return // closed
		}
		select {
		case fired <- struct{}{}:
		default:
		}
	}
}

// set arms the alarm for at, in place of what it was armed for. After close it
// does nothing.
func (a *alarm) set(at time.Duration) {
	conn, err := a.file.SyscallConn()
	if err != nil {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(at), 1))}
	var setErr error
	if err := conn.Control(func(fd uintptr) {
		setErr = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &spec, nil)
	}); err != nil {
		return
	}
	if setErr != nil {
		panic(fmt.Sprintf("timerfd_settime(%v): %v; without it no deadline of a lease can be kept", at, setErr))
	}
}

// close ends run and waits for it.
func (a *alarm) close() {
	_ = a.file.Close() // a timer has nothing to lose
	for range a.C {
		continue // until run has closed it
	}
}

// bootID names this boot of the machine; empty where the system does not say.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
