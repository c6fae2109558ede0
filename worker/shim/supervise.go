package shim

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor is a shim with its container. All its fields belong to the
// goroutine of begin, and then to that of run.
type supervisor struct {
	charge *Charge
	alarm  *alarm
	input  *os.File // the container's
	boot   string   // the machine's
	output streams
	killer killer

	charged *link // that brought the charge; nil: there was none

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

// Main is a shim's life, idle at first or not. It returns when the container has
// ended and that is recorded, or when nothing was started.
func Main(idle bool) error {
	s := &supervisor{
		charge: new(Charge), joined: make(chan *link), gone: make(chan *link), orders: make(chan Order),
		main: make(chan unix.WaitStatus, 1), childs: make(chan struct{}), steps: Steps{Begun: Boottime()},
	}
	begun := make(chan error) // the start's one answer
	go func() {
		// All until the container runs is done by one thread, which nothing must wake
		// meanwhile. It is not the first, which the main goroutine holds: that stands for
		// the whole process in its cgroups. It lives as long as the shim, for the kernel
		// kills the container's first process with the thread that forked it: so a shim
		// that is killed takes it along.
		runtime.LockOSThread()
		err := s.begin(idle)
		begun <- err
		if err == nil {
			select {} // else the thread ends here, wherever it stands
		}
	}()
	switch err := <-begun; {
	case errors.Is(err, errNotNeeded):
		return nil
	case err != nil:
		return s.failed(err)
	}
	s.run()
	s.end()
	return nil
}

// begin makes what any container needs, waits for the charge, and starts it.
func (s *supervisor) begin(idle bool) error {
	failed := s.prepare(idle)
	if idle {
		if _, err := unix.Write(agentFD, []byte(Hello)); err != nil {
			return errNotNeeded // the agent has ended
		}
	}
	l, err := receive(s.charge, idle)
	if err != nil {
		return err
	}
	s.steps.Charged = Boottime()
	s.charged = l
	if s.charge.Version != Version {
		return fmt.Errorf("the agent speaks version %d of the supervisors' words, and this berth-shim %d: install both of one build", s.charge.Version, Version)
	}
	if failed != nil {
		return failed
	}
	if err := s.start(); err != nil {
		return err
	}
	s.state.Steps = &s.steps
	s.join(l)
	s.state.Steps = nil // of no use to those who come later
	return nil
}

// prepare makes what is the same for all containers. Its failure is told to whoever
// sends a charge.
func (s *supervisor) prepare(idle bool) (err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper of the container: %w", err)
	}
	if s.alarm, err = newAlarm(); err != nil {
		return err
	}
	if s.input, err = os.Open(os.DevNull); err != nil {
		return err
	}
	if s.boot, err = BootID(); err != nil {
		return fmt.Errorf("find which boot this is: %w", err)
	}
	if idle {
		return rehearse()
	}
	return nil
}

// start arms the timer, and then lets the container run.
func (s *supervisor) start() error {
	s.killer = killer{group: &s.charge.Group, others: descendants, none: func() bool { return closed(s.childs) }}
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
	defer func() { _ = s.input.Close() }() // read only
	out, err := s.output.open(s.charge.Output, "stdout")
	if err != nil {
		return err
	}
	errs, err := s.output.open(s.charge.Output, "stderr")
	if err != nil {
		return err
	}
	s.steps.Ready = Boottime()
	if s.first, err = fork(s.charge, []uintptr{s.input.Fd(), out.Fd(), errs.Fd()}); err != nil {
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
	err := write(runningFile, Running{PID: s.first, Since: startedAt(s.first), Boot: s.boot, StartedAt: s.state.StartedAt}, 0)
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
		s.killer.ask(func(pid int) { _ = unix.Kill(pid, unix.SIGTERM) }) // it may have ended
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

// failed tells and records that the container was not started. Without a charge
// there is nobody to tell, and nothing to record.
func (s *supervisor) failed(cause error) error {
	if s.charged == nil {
		return cause
	}
	s.output.handedOver()
	s.output.finish()
	e := failure(cause)
	removed := s.charge.Group.Remove()
	err := errors.Join(WriteExit(".", *e), s.charged.tell(State{Phase: PhaseEnded, Exit: e}), removed)
	return errors.Join(cause, err)
}

// failure is the exit of a container that was not started.
func failure(cause error) *Exit {
	ran := errors.Is(cause, errRan)
	e := &Exit{Version: Version, Failed: !ran, Unseen: ran, Late: errors.Is(cause, errLate), Message: cause.Error(), At: time.Now().UTC()}
	if errno := syscall.Errno(0); errors.As(cause, &errno) {
		e.Errno = errno
	}
	if _, executing := errors.AsType[*executeError](cause); executing {
		e.Code = FaultCode(cause)
	}
	return e
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
