package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker/logfile"
)

// lastOutput is how long output is still read after the last process ended: a
// process that left the tree may hold the pipe for ever.
const lastOutput = time.Second

// output is one stream on its way from a pipe into files.
type output struct {
	files       *logfile.Writer
	read, write *os.File
}

// container is one attempt. It implements worker.Container.
type container struct {
	name    string
	log     *zap.Logger
	logged  func() // the logs of the attempt are complete
	outputs []output
	copies  sync.WaitGroup
	group   group
	cmd     *exec.Cmd

	done chan struct{} // closed by wait
	exit berth.Exit    // written before done is closed

	mu    sync.Mutex  // guards all below
	timer *time.Timer // kills after the grace
	asked bool        // SIGTERM was sent
	gone  bool        // all ended: nothing is signalled any more
}

func (c *container) Done() <-chan struct{} { return c.done }

func (c *container) Exit() berth.Exit { return c.exit }

// Stop sends SIGTERM to all processes once, and kills after the grace.
func (c *container) Stop(grace time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(grace, c.Kill)
	if !c.asked {
		c.asked = true
		go c.group.signal(unix.SIGTERM)
	}
}

// Kill kills the first process; wait does the rest.
func (c *container) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		go c.group.signal(unix.SIGKILL)
	}
}

// wait sees the container to its end: the first process, then all that it left,
// then the output.
func (c *container) wait() {
	err := c.cmd.Wait()
	exit := exitOf(c.cmd.ProcessState, err)
	if left := c.group.end(); left > 0 {
		c.log.Debug("processes killed that outlived their container's first", zap.String("container", c.name), zap.Int("processes", left))
	}
	c.mu.Lock()
	c.gone = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	if exit.OOM = c.group.outOfMemory(); exit.OOM {
		exit.Message = "the kernel killed a process: out of memory"
	}
	if note := c.finishOutput(); note != "" && exit.Message == "" {
		exit.Message = note
	}
	c.release()
	exit.At = time.Now().UTC()
	c.exit = exit
	close(c.done)
}

func exitOf(state *os.ProcessState, err error) berth.Exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	switch {
	case state == nil || !ok:
		return berth.Exit{Kind: berth.ExitMayHaveRun, Message: fmt.Sprintf("its end was not seen: %v", err)}
	case status.Signaled():
		return berth.Exit{Kind: berth.ExitSignaled, Signal: unix.SignalName(status.Signal()), Code: 128 + int64(status.Signal())}
	}
	return berth.Exit{Kind: berth.ExitExited, Code: int64(status.ExitStatus())}
}

// finishOutput reads what is still in the pipes, and says what was lost.
func (c *container) finishOutput() string {
	read := make(chan struct{})
	go func() {
		c.copies.Wait()
		close(read)
	}()
	select {
	case <-read:
	case <-time.After(lastOutput):
		for _, o := range c.outputs {
			_ = o.read.Close() // the copy ends with it
		}
		<-read
	}
	var dropped int64
	var why error
	for _, o := range c.outputs {
		if n := o.files.Dropped(); n > 0 {
			dropped += n
			why = errors.Join(why, o.files.Err())
		}
	}
	if dropped == 0 {
		return ""
	}
	return fmt.Sprintf("%d bytes of its output could not be kept: %v", dropped, why)
}

func (c *container) closeWriteEnds() {
	for _, o := range c.outputs {
		_ = o.write.Close() // the child has its own
	}
}

// release gives back what start made.
func (c *container) release() {
	for _, o := range c.outputs {
		_ = o.read.Close() // may be closed already
		if err := o.files.Close(); err != nil {
			c.log.Warn("close log", zap.String("container", c.name), zap.Error(err))
		}
	}
	if c.group != nil {
		if err := c.group.remove(); err != nil {
			c.log.Warn("remove cgroup", zap.String("container", c.name), zap.Error(err))
		}
	}
	if c.logged != nil {
		c.logged()
	}
}

// abandon is the release of a container that never ran.
func (c *container) abandon() {
	c.closeWriteEnds()
	c.copies.Wait()
	c.release()
}
