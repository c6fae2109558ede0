package process

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// otherShim is a shim of another build, that an agent finds after it was
// upgraded, or taken back. A process holds its lock; this test speaks for it.
type otherShim struct {
	t      *testing.T
	dir    string
	holder *exec.Cmd
	says   string        // the first line on each connection
	orders chan string   // written by serve: what it was told
	joined chan net.Conn // written by serve: the first ones
	socket *net.UnixListener
}

func newOtherShim(t *testing.T, h harness, start, says string) *otherShim {
	t.Helper()
	s := &otherShim{t: t, dir: h.path(attempt{"r", 1}), says: says, orders: make(chan string, 100), joined: make(chan net.Conn, 10)}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.write("start.json", start)
	s.lock()
	// As a shim does: its path would be too long.
	here, err := os.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = here.Close() }()
	if s.socket, err = net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/sock", here.Fd())}); err != nil {
		t.Fatal(err)
	}
	s.socket.SetUnlinkOnClose(false)
	go s.serve()
	t.Cleanup(s.die)
	return s
}

func (s *otherShim) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *otherShim) lock() {
	s.t.Helper()
	lock, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = lock.Close() }() // the holder has its own
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		s.t.Fatal(err)
	}
	s.holder = exec.CommandContext(s.t.Context(), "sleep", "1000")
	s.holder.ExtraFiles = []*os.File{lock}
	if err := s.holder.Start(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fprint(lock, s.holder.Process.Pid); err != nil {
		s.t.Fatal(err)
	}
}

func (s *otherShim) serve() {
	for {
		conn, err := s.socket.Accept()
		if err != nil {
			return
		}
		_, _ = fmt.Fprintln(conn, s.says) // the agent may be gone
		select {
		case s.joined <- conn:
		default: // nobody takes it: an agent may come again many times while the holder dies
		}
		go func() {
			for in := bufio.NewScanner(conn); in.Scan(); {
				s.orders <- in.Text()
			}
		}()
	}
}

// die is the end of the shim's process.
func (s *otherShim) die() {
	_ = s.socket.Close()
	_ = s.holder.Process.Kill()
	_ = s.holder.Wait()
}

// A shim of the first build of version 1, word by word: it is taken up, renewed,
// stopped, and its container's end and code are known.
func TestAdopt_FirstShim(t *testing.T) {
	h := newHarness(t, Options{})
	s := newOtherShim(t, h,
		`{"version":1,"request":"r","attempt":1,"epoch":1,"boot_id":"`+h.boot+`","at":"2026-01-02T03:04:05Z","group":{"mark":"`+h.mark+`.r.1"},"keep_ns":7,"stop_timeout_ns":1000000000}`,
		`{"version":1,"phase":"running","pid":12,"started_at":"2026-01-02T03:04:06Z"}`)
	found, err := h.Adopt(t.Context())
	if err != nil || len(found) != 1 || found[0].Keep != 7 || found[0].StopTimeout != time.Second || found[0].StartedAt.Second() != 6 {
		t.Fatalf("%+v, %v", found, err)
	}
	far := boottime() + time.Hour
	h.Renew(1, worker.Deadline{Stop: far, Kill: far + 1})
	if got, want := receive(t, s.orders), fmt.Sprintf(`{"op":"renew","deadline":{"stop_ns":%d,"kill_ns":%d}}`, far, far+1); got != want {
		t.Errorf("renewed by %s, want %s", got, want)
	}
	found[0].Container.Stop(time.Second, "")
	if got := receive(t, s.orders); got != `{"op":"stop","grace_ns":1000000000}` {
		t.Errorf("stopped by %s", got)
	}
	s.write("exit.json", `{"version":1,"code":5,"at":"2026-01-02T03:04:07Z"}`)
	_, _ = fmt.Fprintln(receive(t, s.joined), `{"version":1,"phase":"ended","exit":{"version":1,"code":5,"at":"2026-01-02T03:04:07Z"}}`)
	if exit := wait(t, found[0].Container); exit.Kind != berth.ExitExited || exit.Code != 5 {
		t.Errorf("%+v", exit)
	}
}

// An agent that was taken back to a build that does not know a shim's words ends
// it: nobody could keep its deadline.
func TestAdopt_LaterShim(t *testing.T) {
	h := newHarness(t, Options{})
	newOtherShim(t, h, `{"version":1,"request":"r","attempt":1,"epoch":1,"group":{"mark":"`+h.mark+`.r.1"}}`, fmt.Sprintf(`{"version":%d,"phase":"running"}`, shim.Version+1))
	found, err := h.Adopt(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	if exit := wait(t, found[0].Container); exit.Kind != berth.ExitMayHaveRun {
		t.Errorf("%+v", exit)
	}
}

// A record is read from a disk: what it names beside its own attempt is left alone.
func TestGroupOf(t *testing.T) {
	h := newHarness(t, Options{})
	a := attempt{"r", 1}
	good := shim.Group{Dirs: []string{"/c/f/r.1"}, Freezer: "/c/f/r.1", Mark: "OLDER.r.1"}
	for _, tt := range []struct {
		name       string
		kept, want shim.Group
	}{
		{"its own", good, good},
		{"nothing", shim.Group{}, shim.Group{Mark: h.markFor(a)}},
		{"another's mark", shim.Group{Mark: "OLDER.r2.1"}, shim.Group{Mark: h.markFor(a)}},
		{"everything", shim.Group{Unified: "/sys/fs/cgroup", Mark: "OLDER.r.1"}, shim.Group{Mark: h.markFor(a)}},
		{"another's", shim.Group{Freezer: "/c/f/r2.1", Mark: "OLDER.r.1"}, shim.Group{Mark: h.markFor(a)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := h.groupOf(a, shim.Start{Group: tt.kept}); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// A shim that does not know the agent's words says so, and runs nothing.
func TestShim_OfAnotherVersion(t *testing.T) {
	h := newHarness(t, Options{})
	spec := h.spec("r", sh("echo ran")...)
	charge, err := h.command(spec)
	if err != nil {
		t.Fatal(err)
	}
	charge.Version++
	if err := os.Mkdir(h.path(attempt{"r", 1}), 0o700); err != nil {
		t.Fatal(err)
	}
	c := h.newContainer(attempt{"r", 1}, 1, 0)
	lock, err := h.prepare(c, charge, spec)
	if err != nil {
		t.Fatal(err)
	}
	conn, rest, err := h.launch(t.Context(), c, lock, charge, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.begin(t.Context(), conn, rest, spec); err == nil || !strings.Contains(err.Error(), "install both") {
		t.Errorf("%v, want what to do", err)
	}
	if got := h.output2(spec); got != "" {
		t.Errorf("it ran: %q", got)
	}
}

func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("it did not come")
	}
	return v
}
