package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tellWithin bounds the telling of a state: an agent that is stopped must not
// stop its shims.
const tellWithin = time.Second

// link is one connection of an agent.
type link struct {
	file *os.File
	in   *json.Decoder
}

func newLink(fd int) (*link, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("prepare the agent's socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "agent")
	return &link{file: f, in: json.NewDecoder(f)}, nil
}

// tell sends one line; a link that does not take it is of no use any more.
func (l *link) tell(s State) error {
	s.Version = Version
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := l.file.SetWriteDeadline(time.Now().Add(tellWithin)); err != nil {
		return err
	}
	_, err = l.file.Write(append(line, '\n'))
	return err
}

// orders delivers what the agent says, until it is gone.
func (l *link) orders(to chan<- Order, gone chan<- *link) {
	for {
		var o Order
		if err := l.in.Decode(&o); err != nil {
			gone <- l
			return
		}
		to <- o
	}
}

// listen makes the socket in the current directory: a path's length is bounded,
// a name's is not.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: socketFile}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind the socket: %w", err), unix.Close(fd))
	}
	// The directory is 0700 already; and nobody connects before Listen.
	if err := errors.Join(os.Chmod(socketFile, 0o600), unix.Listen(fd, 16)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), socketFile), nil
}

// accept delivers the agents that come.
func accept(socket *os.File, joined chan<- *link) {
	conn, err := socket.SyscallConn()
	if err != nil {
		return
	}
	for {
		var fd int
		var failed error
		err := conn.Read(func(s uintptr) bool {
			fd, _, failed = unix.Accept4(int(s), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			return !errors.Is(failed, unix.EAGAIN)
		})
		if err != nil {
			return // closed
		}
		if failed != nil {
			continue // it went away again
		}
		if l, err := newLink(fd); err == nil {
			joined <- l
		}
	}
}
