package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Idle is the argument of a shim that is forked before there is anything to run. It
// waits for its charge on its standard input, and ends when the agent does: it holds
// no container's lock, and nothing of any container.
const Idle = "idle"

// Hello is what an idle shim says once it is ready. Who does not say it is told
// nothing: a binary of before idle shims takes the argument for a question, and ends.
// It is blank, for the shim's words are JSON.
const Hello = "\n"

// agentFD is the agent's socket; lockFD the lock, in a shim that was forked for one
// container, in whose directory it is then, as agents of before idle shims did.
const (
	agentFD = 0
	lockFD  = 3
)

// Descriptors that come with the charge of an idle shim, in this order.
const (
	givenDir = iota
	givenLock
	givenErrors
	given
)

// Rights is what an agent sends with the first byte of a charge: the container's
// directory, its lock, which is held by what is on its way, and the file that the
// shim's own errors go to.
func Rights(dir, lock, errs *os.File) []byte {
	return unix.UnixRights(int(dir.Fd()), int(lock.Fd()), int(errs.Fd()))
}

// inbox reads the agent's socket, and keeps what comes beside the bytes. Its reads
// block their thread, and no other waits to wake it.
type inbox struct{ rights []int }

func (i *inbox) Read(p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(given*4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(agentFD, p, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("read the agent's socket: %w", err)
		}
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			return 0, fmt.Errorf("read what comes with the charge: %w", err)
		}
		for m := range messages {
			fds, err := unix.ParseUnixRights(&messages[m])
			if err != nil {
				return 0, fmt.Errorf("read what comes with the charge: %w", err)
			}
			i.rights = append(i.rights, fds...)
		}
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}
}

// errNotNeeded means that an agent has ended an idle shim.
var errNotNeeded = errors.New("there was nothing to run")

// receive waits for the charge.
func receive(c *Charge, idle bool) (*link, error) {
	if !idle {
		if err := hold(lockFD); err != nil {
			return nil, err
		}
	}
	in := &inbox{}
	decoder := json.NewDecoder(in)
	switch err := decoder.Decode(c); {
	case errors.Is(err, io.EOF) && idle:
		return nil, errNotNeeded
	case err != nil:
		return nil, fmt.Errorf("read the charge: %w", err) // the agent has ended: nothing has run, nothing will
	}
	if idle {
		if err := settle(in.rights); err != nil {
			return nil, err
		}
	}
	l, err := newLink(agentFD)
	if err == nil {
		l.in = json.NewDecoder(io.MultiReader(decoder.Buffered(), l.file))
	}
	return l, err
}

// hold keeps the lock to this process, and says so in it. It makes no os.File of it:
// that would be closed by the collector, and the lock with it.
func hold(lock int) error {
	unix.CloseOnExec(lock) // a container that held it would seem to be a shim
	return noteHolder(lock, os.Getpid())
}

// settle moves into the container's directory.
func settle(rights []int) error {
	if len(rights) != given {
		return fmt.Errorf("%d descriptors came with the charge, not %d", len(rights), given)
	}
	dir, errs := rights[givenDir], rights[givenErrors]
	if err := hold(rights[givenLock]); err != nil {
		return err
	}
	if err := unix.Fchdir(dir); err != nil {
		return fmt.Errorf("enter the container's directory: %w", err)
	}
	if err := unix.Dup3(errs, unix.Stderr, 0); err != nil {
		return fmt.Errorf("open its own log: %w", err)
	}
	return errors.Join(unix.Close(dir), unix.Close(errs))
}

// rehearse goes once through what is slow the first time: encodings are compiled by
// their types, and code is read into memory.
func rehearse() error {
	c := Charge{Version: Version, Args: []string{"x"}, Env: []string{"x"}, Account: &Account{Groups: []uint32{1}}, Group: Group{Dirs: []string{"x"}, Home: []string{"x"}}}
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, new(Charge))
	}
	if err == nil {
		_, err = json.Marshal(State{StartedAt: time.Now(), Steps: &Steps{}})
	}
	if err == nil {
		_, err = json.Marshal(Running{Since: startedAt(os.Getpid()), StartedAt: time.Now()})
	}
	if err == nil {
		err = json.Unmarshal([]byte(`{"op":"renew","deadline":{"stop_ns":1,"kill_ns":2}}`), new(Order))
	}
	return err
}
