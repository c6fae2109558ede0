package shim

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor is a shim with its container. All its fields belong to the
// goroutine of run.
type supervisor struct {
	charge *Charge
	alarm  *alarm
	output streams
	killer killer

	links  []*link
	joined chan *link // written by accept
	gone   chan *link // written by each link's reader
	orders chan Order // written by each link's reader

	first  int                  // the container's first process
	main   chan unix.WaitStatus // written by reap; how the first process ended
	childs chan struct{}        // closed by reap: no child is left

	steps  Steps // of the start
	state  State
	exit   *Exit // of the first process, once it has ended
	life   Lifetime
	why    string        // it was dismissed; empty: it was not
	ending chan struct{} // closed when the tree has ended; nil: not being killed
}

// maxDismissed bounds what a record keeps of a reason; see recordBytes.
const maxDismissed = 256

// lockFD is the lock that the agent has taken, agentFD its socket.
const (
	agentFD = 0
	lockFD  = 3
)

// Main is a shim's life. The current directory is the container's. It returns
// when the container has ended and that is recorded, or when nothing was started.
func Main() error {
	begun := Boottime()
	unix.CloseOnExec(lockFD) // a container that held it would seem to be a shim
	// No os.File: that would be closed by the collector, and the lock with it.
	if _, err := unix.Pwrite(lockFD, []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return fmt.Errorf("say who holds the lock: %w", err)
	}
	l, err := newLink(agentFD)
	if err != nil {
		return err
	}
	s := &supervisor{
		charge: new(Charge), joined: make(chan *link), gone: make(chan *link), orders: make(chan Order),
		main: make(chan unix.WaitStatus, 1), childs: make(chan struct{}),
	}
	if err := l.in.Decode(s.charge); err != nil {
		return fmt.Errorf("read the charge: %w", err) // the agent has ended: nothing has run, nothing will
	}
	s.steps = Steps{Begun: begun, Charged: Boottime()}
	if s.charge.Version != Version {
		return s.failed(l, fmt.Errorf("the agent speaks version %d of the supervisors' words, and this berth-shim %d: install both of one build", s.charge.Version, Version))
	}
	if err := s.start(); err != nil {
		return s.failed(l, err)
	}
	s.state.Steps = &s.steps
	s.join(l)
	s.state.Steps = nil // of no use to those who come later
	s.run()
	s.end()
	return nil
}

// start arms the timer, and then lets the container run.
func (s *supervisor) start() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper of the container: %w", err)
	}
	s.killer = killer{group: &s.charge.Group, others: descendants, none: func() bool { return closed(s.childs) }}
	var err error
	if s.alarm, err = newAlarm(); err != nil {
		return err
	}
	s.life = NewLifetime(s.charge.Deadline, s.charge.Keep)
	if err := s.alarm.set(s.life.Due()); err != nil {
		return err
	}
	if err := errors.Join(reserve(runningFile), reserve(exitFile)); err != nil {
		return fmt.Errorf("make room for its records: %w", err)
	}
	socket, err := listen() // before anything of it can have filled the disk
	if err != nil {
		return err
	}
	in, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	out, err := s.output.open(s.charge.Output, "stdout")
	if err != nil {
		return err
	}
	errs, err := s.output.open(s.charge.Output, "stderr")
	if err != nil {
		return err
	}
	s.steps.Ready = Boottime()
	if s.first, err = fork(s.charge, []uintptr{in.Fd(), out.Fd(), errs.Fd()}); err != nil {
		return err
	}
	s.steps.Executed = Boottime()
	s.output.handedOver()
	s.state = State{Phase: PhaseRunning, PID: s.first, StartedAt: time.Now().UTC()}
	go s.reap()
	return s.nowRuns(socket)
}

// errRan means that a start failed when the container ran already.
var errRan = errors.New("killed at its start")

// nowRuns makes the container known to those who come later. Without that it
// must not run, for no agent would find it.
func (s *supervisor) nowRuns(socket *os.File) error {
	boot, err := BootID()
	if err == nil {
		err = write(runningFile, Running{PID: s.first, Since: startedAt(s.first), Boot: boot, StartedAt: s.state.StartedAt}, 0)
	}
	if err != nil {
		s.killer.end()
		return fmt.Errorf("%w: record the start: %w", errRan, err)
	}
	go accept(socket, s.joined)
	// Now, for the container has inherited what the shim had before.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-999"), 0) // only root may
	return nil
}

// reap takes in every process of the container that has lost its parent, until
// there is none.
func (s *supervisor) reap() {
	defer close(s.childs)
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return // ECHILD
		case pid == s.first:
			s.main <- status
		}
	}
}

// run returns when the first process has ended.
func (s *supervisor) run() {
	for {
		select {
		case <-s.alarm.c:
			s.act()
		case o := <-s.orders:
			s.obey(o)
			s.act()
		case l := <-s.joined:
			s.join(l)
		case l := <-s.gone:
			s.part(l)
		case status := <-s.main:
			s.exit = s.exitOf(status)
			return
		}
	}
}

func (s *supervisor) join(l *link) {
	s.links = append(s.links, l)
	go l.orders(s.orders, s.gone)
	if l.tell(s.state) != nil {
		_ = l.file.Close() // its reader says so
	}
}

func (s *supervisor) part(l *link) {
	s.links = slices.DeleteFunc(s.links, func(x *link) bool { return x == l })
	_ = l.file.Close() // may be closed already
}

func (s *supervisor) obey(o Order) {
	switch o.Op {
	case OpRenew:
		s.life.Renew(o.Deadline)
	case OpStop:
		s.life.Stop(Boottime(), o.Grace)
		s.why = cmp.Or(s.why, o.Dismissed[:min(len(o.Dismissed), maxDismissed)])
	case OpKill:
		s.life.Kill(Boottime())
	}
}

// act does what is due, and sets the alarm for the next.
func (s *supervisor) act() {
	ask, kill := s.life.Act(Boottime())
	if ask {
		s.killer.signal(unix.SIGTERM)
	}
	if kill {
		s.kill()
	}
	if s.ending != nil {
		return
	}
	if err := s.alarm.set(s.life.Due()); err != nil {
		s.life.overdue = true // it cannot be fenced any more
		s.kill()
	}
}

// kill ends the tree, beside run: that must go on to see the first process end.
func (s *supervisor) kill() {
	if s.ending == nil {
		ending := make(chan struct{})
		s.ending = ending
		go func() {
			defer close(ending)
			s.killer.end()
		}()
	}
}

func (s *supervisor) exitOf(status unix.WaitStatus) *Exit {
	e := &Exit{Version: Version, Deadline: s.life.Overdue()}
	if status.Signaled() {
		e.Signal = status.Signal()
	} else {
		e.Code = status.ExitStatus()
	}
	return e
}

// end ends what the first process has left, and records the exit.
func (s *supervisor) end() {
	s.kill()
	e := s.exit
	e.Dismissed = s.why
	s.beside(func() { s.bury(e) })
	s.record(e)
}

// beside does what may take long, while agents that come are answered: one that
// is not would take the shim for dead.
func (s *supervisor) beside(long func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		long()
	}()
	for {
		select {
		case <-done:
			return
		case <-s.orders: // its end has come already
		case l := <-s.joined:
			s.join(l)
		case l := <-s.gone:
			s.part(l)
		}
	}
}

// bury returns when nothing of the container is left.
func (s *supervisor) bury(e *Exit) {
	<-s.ending
	if e.OOM = s.charge.Group.OutOfMemory(); e.OOM {
		e.Message = "the kernel killed a process: out of memory"
	}
	if note := s.output.finish(); note != "" && e.Message == "" {
		e.Message = note
	}
	e.At = time.Now().UTC()
	if err := s.charge.Group.Remove(); err != nil && e.Message == "" {
		e.Message = "its cgroup remains: " + err.Error()
	}
}

// recordAgain is how long after a failure the exit is recorded again.
const recordAgain = time.Second

// record returns when the exit is on disk, and every agent that listens knows
// it; or when nobody wants it any more, for its directory is gone.
func (s *supervisor) record(e *Exit) {
	var err error
	write := func() { err = WriteExit(".", *e) }
	s.beside(write)
	s.state.Phase, s.state.Exit = PhaseEnded, e
	for _, l := range s.links {
		_ = l.tell(s.state) // it finds the record
	}
	for err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.beside(func() { time.Sleep(recordAgain) })
		s.beside(write)
	}
}

// failed tells and records that the container was not started.
func (s *supervisor) failed(l *link, cause error) error {
	s.output.handedOver()
	s.output.finish()
	ran := errors.Is(cause, errRan)
	e := &Exit{Version: Version, Failed: !ran, Unseen: ran, Late: errors.Is(cause, errLate), Message: cause.Error(), At: time.Now().UTC()}
	if errno := syscall.Errno(0); errors.As(cause, &errno) {
		e.Errno = errno
	}
	removed := s.charge.Group.Remove()
	err := errors.Join(WriteExit(".", *e), l.tell(State{Phase: PhaseEnded, Exit: e}), removed)
	return errors.Join(cause, err)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
