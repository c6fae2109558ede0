package worker

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Clock counts since the machine's boot, while it is suspended too: a lease
// runs on while the machine sleeps, and Go's own monotonic clock does not.
type Clock interface {
	Now() time.Duration
	// NewAlarm makes an alarm that is not armed.
	NewAlarm() (Alarm, error)
}

// Alarm fires at a moment of its Clock, at once after a suspension that passed it.
type Alarm interface {
	// C is written when the moment has come; one is enough, for the receiver reads
	// the clock. It is closed by Close.
	C() <-chan struct{}
	// Set arms the alarm for at, in place of what it was armed for. After Close it
	// does nothing.
	Set(at time.Duration)
	Close()
}

// bootClock is CLOCK_BOOTTIME.
type bootClock struct{}

func (bootClock) Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("CLOCK_BOOTTIME: %v; without it no deadline of a lease can be kept", err))
	}
	return time.Duration(ts.Nano())
}

// NewAlarm is a timerfd, for Go's timers stand still while the machine sleeps.
func (bootClock) NewAlarm() (Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	a := &bootAlarm{file: os.NewFile(uintptr(fd), "timerfd"), fired: make(chan struct{}, 1)}
	go a.run()
	return a, nil
}

type bootAlarm struct {
	file  *os.File
	fired chan struct{} // written by run, closed by it at the end; one is enough
	once  sync.Once
}

func (a *bootAlarm) C() <-chan struct{} { return a.fired }

func (a *bootAlarm) run() {
	defer close(a.fired)
	var expirations [8]byte
	for {
		if _, err := a.file.Read(expirations[:]); err != nil {
			return // closed
		}
		select {
		case a.fired <- struct{}{}:
		default:
		}
	}
}

func (a *bootAlarm) Set(at time.Duration) {
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

// Close ends run and waits for it.
func (a *bootAlarm) Close() {
	a.once.Do(func() {
		_ = a.file.Close() // a timer has nothing to lose
		for range a.fired {
			continue // until run has closed it
		}
	})
}

// bootID names this boot of the machine; empty where the system does not say.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
