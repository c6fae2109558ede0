package process

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker/shim"
)

// Steps are the moments of a start, by CLOCK_BOOTTIME.
type Steps struct {
	Recorded time.Duration // the record stands, with all that the shim needs
	shim.Steps
}

// container is one attempt as its agent knows it: the other end of a shim. It
// implements worker.Container.
type container struct {
	r      *Runtime
	name   attempt
	epoch  berth.Epoch
	keep   time.Duration
	dir    string
	group  shim.Group
	logged func() // the logs of the attempt are complete

	running chan struct{} // closed by follow when the container runs
	since   time.Time     // when that began; written before running is closed
	steps   Steps         // of its start; written before running is closed, if this agent has started it
	done    chan struct{} // closed by follow when nothing of it is left
	left    chan struct{} // closed by follow when it returns
	how     shim.Exit     // written before done is closed
	exit    berth.Exit    // written before done is closed

	mu        sync.Mutex    // guards all below
	conn      net.Conn      // nil: not connected
	deadline  shim.Deadline // told at each connection, as are the others
	killAt    time.Duration // of a stop order, by CLOCK_BOOTTIME; 0: none
	killed    bool
	dismissed string // with a stop order: why, if it is for the worker's sake
}

func (r *Runtime) newContainer(a attempt, epoch berth.Epoch, keep time.Duration) *container {
	return &container{
		r: r, name: a, epoch: epoch, keep: keep, dir: r.path(a), logged: func() {},
		running: make(chan struct{}), done: make(chan struct{}), left: make(chan struct{}),
	}
}

// Steps are the moments of its start, by CLOCK_BOOTTIME; zero where it was another
// agent's. They tell where a start's time goes (berth bench run).
func (c *container) Steps() Steps { return c.steps }

func (c *container) Done() <-chan struct{} { return c.done }

func (c *container) Exit() (berth.Exit, string) { return c.exit, c.how.Dismissed }

// Stop has the shim send SIGTERM to each process that there is then, once however
// often it is told or the lease's deadline comes too, and kill after the grace.
func (c *container) Stop(grace time.Duration, dismissed string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dismissed = cmp.Or(c.dismissed, dismissed)
	at := shim.Boottime() + max(grace, 0)
	if c.killAt == 0 || at < c.killAt {
		c.killAt = at
	}
	c.tell(shim.Order{Op: shim.OpStop, Grace: grace, Dismissed: dismissed})
}

// Kill has the shim kill the whole tree.
func (c *container) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	c.killAt = shim.Boottime()
	c.tell(shim.Order{Op: shim.OpKill})
}

func (c *container) renew(d shim.Deadline) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.Kill > c.deadline.Kill {
		c.deadline = d
		c.tell(shim.Order{Op: shim.OpRenew, Deadline: d})
	}
}

// tellWithin bounds one order: a shim that does not take it is cut off, and
// connected to anew.
const tellWithin = 100 * time.Millisecond

// tell is called with mu held. An order that is not taken is told again by connect.
func (c *container) tell(o shim.Order) {
	if c.conn == nil {
		return
	}
	line, err := json.Marshal(o)
	if err == nil {
		err = c.conn.SetWriteDeadline(time.Now().Add(tellWithin))
	}
	if err == nil {
		_, err = c.conn.Write(append(line, '\n'))
	}
	if err != nil {
		_ = c.conn.Close() // its reader connects anew
		c.conn = nil
	}
}

// connect tells a new connection all that is wanted of the container. It is
// false when the runtime was closed: then nobody would end the connection.
func (c *container) connect(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.r.isClosed() {
		return false
	}
	c.conn = conn
	if c.deadline.Kill > 0 {
		c.tell(shim.Order{Op: shim.OpRenew, Deadline: c.deadline})
	}
	if c.killAt > 0 && (!c.killed || c.dismissed != "") {
		c.tell(shim.Order{Op: shim.OpStop, Grace: c.killAt - shim.Boottime(), Dismissed: c.dismissed})
	}
	if c.killed {
		c.tell(shim.Order{Op: shim.OpKill})
	}
	return true
}

// leave ends the connection, and with it follow once the runtime is closed.
func (c *container) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close() // its reader sees it
		c.conn = nil
	}
}

// dialAgain is how long a shim that lives is left alone before it is dialled again.
const dialAgain = 20 * time.Millisecond

// follow sees the container to its end, through any number of connections; the
// first may be nil.
func (c *container) follow(conn net.Conn) {
	defer close(c.left)
	for {
		if conn != nil {
			if exit, ended := c.attend(conn); ended {
				c.end(exit)
				return
			}
		}
		if c.r.isClosed() {
			return
		}
		// In this order: the exit stands before the lock is given up.
		held, _, err := shim.Held(c.dir)
		if err == nil && !held {
			c.end(c.account())
			return
		}
		if conn, err = c.dial(); err != nil {
			time.Sleep(dialAgain)
		}
	}
}

// attend is one connection, from its beginning to its end, or the container's.
func (c *container) attend(conn net.Conn) (exit shim.Exit, ended bool) {
	defer func() { _ = conn.Close() }() // may be closed already
	if !c.connect(conn) {
		return exit, false
	}
	defer c.leave()
	return c.listen(conn)
}

// listen reads until the connection or the container ends.
func (c *container) listen(conn net.Conn) (shim.Exit, bool) {
	in := json.NewDecoder(conn)
	for {
		var s shim.State
		if err := in.Decode(&s); err != nil {
			return shim.Exit{}, false
		}
		if s.Version > shim.Version { // the agent was taken back to an older build
			c.r.opts.Log.Error("a supervisor speaks words of a later version; ending it, and its container", zap.Stringer("container", c.name), zap.Int("version", s.Version))
			c.seize()
			return shim.Exit{}, false
		}
		if !s.StartedAt.IsZero() && !closed(c.running) {
			c.since = s.StartedAt
			if s.Steps != nil {
				c.steps.Steps = *s.Steps
			}
			close(c.running)
		}
		if s.Phase == shim.PhaseEnded && s.Exit != nil {
			return *s.Exit, true
		}
	}
}

// dial goes through the directory: the path of a socket is bounded, that of a
// directory is not.
func (c *container) dial() (net.Conn, error) {
	dir, err := os.Open(c.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // read only
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), shim.SocketName)
	return net.DialTimeout("unix", path, time.Second)
}

// account is how a container ended whose shim does not live: as it recorded, or
// it was killed, and what it left is killed now.
func (c *container) account() shim.Exit {
	e, err := shim.ReadExit(c.dir)
	if err == nil {
		return e
	}
	c.bury()
	c.mu.Lock()
	dismissed := c.dismissed
	c.mu.Unlock()
	e = shim.Exit{Unseen: true, Dismissed: dismissed, At: time.Now().UTC(), Message: "its supervisor was killed" + shim.LastWords(c.dir)}
	if err := shim.WriteExit(c.dir, e); err != nil {
		c.r.opts.Log.Warn("record the exit", zap.Stringer("container", c.name), zap.Error(err))
	}
	return e
}

// bury kills what a shim that was killed has left.
func (c *container) bury() {
	ran, err := shim.ReadRunning(c.dir)
	if err != nil || ran.Boot != c.r.boot {
		ran = shim.Running{} // it was not recorded, or was before this boot
	}
	shim.Bury(c.group, ran)
	if err := c.group.Remove(); err != nil {
		c.r.opts.Log.Warn("remove cgroup", zap.Stringer("container", c.name), zap.Error(err))
	}
}

// end is called once, when nothing is left.
func (c *container) end(e shim.Exit) {
	c.how, c.exit = e, exitOf(e)
	c.logged()
	c.r.mu.Lock()
	delete(c.r.live, c.name)
	c.r.mu.Unlock()
	close(c.done)
}

// abandon is the end of a container that no shim was told of.
func (c *container) abandon() {
	c.logged()
	if err := errors.Join(c.group.Remove(), os.RemoveAll(c.dir)); err != nil {
		c.r.opts.Log.Warn("remove what a failed start has left", zap.Stringer("container", c.name), zap.Error(err))
	}
}

// seize ends a container whose shim does not do it. Its reader sees the rest.
func (c *container) seize() {
	if err := shim.KillHolder(c.dir); err != nil {
		c.r.opts.Log.Warn("end a supervisor", zap.Stringer("container", c.name), zap.Error(err))
	}
}

// seizeUntilDone is for a shim that may not have said yet which process it is.
func (c *container) seizeUntilDone() {
	again := time.NewTicker(dialAgain)
	defer again.Stop()
	for c.seize(); ; c.seize() {
		select {
		case <-c.done:
			return
		case <-again.C:
		}
	}
}

// endOverdue seizes the container when it should be dead by now.
func (c *container) endOverdue() {
	c.mu.Lock()
	at := c.killAt
	if d := c.deadline.Kill; d > 0 && (at == 0 || d+c.keep < at) {
		at = d + c.keep
	}
	c.mu.Unlock()
	late := shim.Boottime() - at
	if at == 0 || late < stoppedAfter || closed(c.done) {
		return
	}
	if held, pid, err := shim.Held(c.dir); err != nil || !held || late < busyAfter && !shim.Stopped(pid) {
		return
	}
	c.r.opts.Log.Warn("a supervisor did not end its container in time; ending both", zap.Stringer("container", c.name))
	c.seize()
}

func exitOf(e shim.Exit) berth.Exit {
	out := berth.Exit{Kind: berth.ExitExited, Code: int64(e.Code), OOM: e.OOM, Message: e.Message, At: e.At}
	switch {
	case e.Failed && e.Late:
		out.Kind = berth.ExitRejected
	case e.Failed:
		out.Kind = berth.ExitStartFailed
	case e.Unseen:
		out.Kind = berth.ExitMayHaveRun
	case e.Deadline:
		out.Kind = berth.ExitDeadline
	}
	if e.Signal != 0 {
		out.Signal, out.Code = unix.SignalName(e.Signal), 128+int64(e.Signal)
		if out.Kind == berth.ExitExited {
			out.Kind = berth.ExitSignaled
		}
	}
	return out
}

func (r *Runtime) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
