package chaos_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berthd/berth/integration/netns"
)

// keeper starts a process on a host, and again a second after it has ended, as
// the unit files ask; except while a fault keeps it away.
type keeper struct {
	name    string
	host    *netns.Host
	command []string
	log     string

	mu     sync.Mutex
	cmd    *exec.Cmd     // that runs; nil: none
	ended  chan struct{} // closed at its end
	away   bool
	wake   chan struct{} // closed and made anew when away changes
	starts int
	alone  []string // ends that no fault caused, in words
}

func newKeeper(name string, host *netns.Host, log string, command ...string) *keeper {
	return &keeper{name: name, host: host, log: log, command: command, wake: make(chan struct{})}
}

// run keeps the process until ctx ends, and kills it then.
func (k *keeper) run(ctx context.Context) error {
	for k.waitWanted(ctx) {
		cmd, ended, err := k.start()
		if err != nil {
			return err
		}
		if cmd == nil { // it is to stay away after all
			continue
		}
		select {
		case <-ended:
		case <-ctx.Done():
			_ = cmd.Process.Kill() // it may have ended
			<-ended
			return nil
		}
		select {
		case <-k.changed():
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}

// changed returns at once when a fault keeps the process away.
func (k *keeper) changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		now := make(chan struct{})
		close(now)
		return now
	}
	return k.wake
}

func (k *keeper) waitWanted(ctx context.Context) bool {
	for {
		k.mu.Lock()
		away, wake := k.away, k.wake
		k.mu.Unlock()
		if !away {
			return true
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return false
		}
	}
}

func (k *keeper) start() (*exec.Cmd, chan struct{}, error) {
	file, err := os.OpenFile(k.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(context.Background(), k.command[0], k.command[1:]...)
	cmd.Stdout, cmd.Stderr = file, file
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return nil, nil, file.Close()
	}
	if err := k.host.Start(cmd); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", k.name, err)
	}
	ended := make(chan struct{})
	k.cmd, k.ended = cmd, ended
	k.starts++
	go func() {
		err := cmd.Wait()
		_ = file.Close() // the process had its own
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.away {
			k.alone = append(k.alone, fmt.Sprintf("%s ended by itself: %v: %s", k.name, err, tail(k.log, 1)))
		}
		k.cmd = nil
		close(ended)
	}()
	return cmd, ended, nil
}

// setAway keeps the process away, or lets it come back.
func (k *keeper) setAway(away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away != away {
		k.away = away
		close(k.wake)
		k.wake = make(chan struct{})
	}
}

// signal sends to the process, if it runs, and returns the channel of its end.
func (k *keeper) signal(s syscall.Signal) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cmd == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	_ = k.cmd.Process.Signal(s) // it may have ended
	return k.ended
}

// end keeps it away and ends it by a signal.
func (k *keeper) end(ctx context.Context, s syscall.Signal) {
	k.setAway(true)
	select {
	case <-k.signal(s):
	case <-ctx.Done():
	}
}

func (k *keeper) endsAlone() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.alone
}

func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// background runs fn until the test's end or until stop; its error is the test's.
func background(t *testing.T, fn func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fn(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
