package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth/worker/shim"
)

// DefaultIdleShims is how many shims are kept ready. A start takes one, and the next
// is forked after it: so a start that is alone pays neither for a fork from the agent
// nor for the start of a Go process.
const DefaultIdleShims = 2

// idleShim is a shim that has been told nothing. It holds nothing of any container,
// and ends when conn is closed, or with the agent.
type idleShim struct {
	conn  *net.UnixConn
	cmd   *exec.Cmd
	ended chan struct{} // closed when its process has ended
}

// forkShim makes one.
func (r *Runtime) forkShim() (*idleShim, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "shim"), os.NewFile(uintptr(pair[1]), "agent")
	defer func() { _ = errors.Join(ours.Close(), theirs.Close()) }() // each has its copy
	made, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	conn, ok := made.(*net.UnixConn)
	if !ok {
		panic(fmt.Sprintf("process: a unix socket is a %T", made))
	}
	s := &idleShim{conn: conn, ended: make(chan struct{}), cmd: &exec.Cmd{
		Path: r.opts.Shim, Args: []string{shimName, shim.Idle}, Dir: r.dir,
		Env:   []string{"GOMAXPROCS=1"},  // one thread at work is enough, and smaller
		Stdin: theirs, Stderr: os.Stderr, // until it has a log of its own
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}}
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a supervisor: %w", err), conn.Close())
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // how it ended is told by its records
	}()
	return s, nil
}

// end is for one that was told nothing.
func (s *idleShim) end() {
	_ = s.conn.Close()       // it ends by that
	_ = s.cmd.Process.Kill() // unless it is stopped
	<-s.ended
}

// helloWithin bounds how long a shim takes to be ready.
const helloWithin = 10 * time.Second

// readyShim makes one that has said that it is ready. One that does not say so in time
// is ended.
func (r *Runtime) readyShim(ctx context.Context) (*idleShim, error) {
	s, err := r.forkShim()
	if err != nil {
		return nil, err
	}
	if err := s.greet(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// greet waits until it is ready, and is of a build that can be.
func (s *idleShim) greet(ctx context.Context) error {
	hello := make([]byte, len(shim.Hello))
	err := s.conn.SetReadDeadline(time.Now().Add(helloWithin))
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }) // it reads no more
	defer stop()
	if err == nil {
		_, err = io.ReadFull(s.conn, hello)
	}
	if err == nil && string(hello) != shim.Hello {
		err = fmt.Errorf("it says %q", hello)
	}
	if err == nil && stop() {
		err = s.conn.SetReadDeadline(time.Time{})
	}
	if err = cmp.Or(ctx.Err(), err); err != nil {
		return fmt.Errorf("a supervisor does not get ready (is %s of this agent's build?): %w", s.cmd.Path, err)
	}
	return nil
}

// charge tells it what to run, and gives it the container's lock. rest is what of it
// the socket has not taken yet. After an error it was told nothing.
func (s *idleShim) charge(text []byte, dir, lock, errs *os.File) (rest []byte, err error) {
	n, _, err := s.conn.WriteMsgUnix(text, shim.Rights(dir, lock, errs), nil)
	if err != nil {
		return nil, fmt.Errorf("charge a supervisor (is %s of this agent's build?): %w", s.cmd.Path, err)
	}
	return text[n:], nil
}

// takeShim takes one that is ready, or makes one.
func (r *Runtime) takeShim(ctx context.Context) (s *idleShim, fresh bool, err error) {
	for {
		s := r.popIdle()
		if s == nil {
			s, err = r.readyShim(ctx)
			return s, true, err
		}
		if !closed(s.ended) {
			return s, false, nil
		}
		r.opts.Log.Warn("an idle supervisor has ended; are it and this agent of one build?", zap.Stringer("how", s.cmd.ProcessState))
		s.end()
	}
}

// popIdle takes the newest; nil: there is none.
func (r *Runtime) popIdle() *idleShim {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.idle) - 1
	if last < 0 {
		return nil
	}
	s := r.idle[last]
	r.idle = r.idle[:last]
	return s
}

// wantIdle has the shims that were taken made again.
func (r *Runtime) wantIdle() {
	select {
	case r.wanted <- struct{}{}:
	default: // it is known
	}
}

// idleAgain is how long after a failure a shim is forked again.
const idleAgain = time.Second

// keepIdle keeps shims ready until ctx ends. It is the only one that adds to them.
func (r *Runtime) keepIdle(ctx context.Context) {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-r.wanted:
		case <-again.C:
		case <-ctx.Done():
			r.endIdle()
			return
		}
		if err := r.fillIdle(ctx); err != nil && ctx.Err() == nil {
			r.opts.Log.Warn("no supervisor can be kept ready; trying again", zap.Error(err))
			again.Reset(idleAgain)
		}
	}
}

func (r *Runtime) fillIdle(ctx context.Context) error {
	for r.countIdle() < r.opts.IdleShims {
		s, err := r.readyShim(ctx)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.idle = append(r.idle, s)
		r.mu.Unlock()
	}
	return nil
}

func (r *Runtime) countIdle() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.idle)
}

func (r *Runtime) endIdle() {
	for s := r.popIdle(); s != nil; s = r.popIdle() {
		s.end()
	}
}
