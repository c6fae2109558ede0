package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berthd/berth/client"
)

// A process of its own that this binary becomes: see TestMain.
const submitterVariable = "BERTH_TEST_SUBMITTER"

func TestMain(m *testing.M) {
	if text := os.Getenv(submitterVariable); text != "" {
		var c submitterConfig
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			panic(err)
		}
		if err := c.run(); err != nil {
			fmt.Fprintln(os.Stderr, "submitter:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // of this process only
	}
	os.Exit(code)
}

// built is the binary under test, built once.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "berth-test-"); built.err != nil {
			return
		}
		cmd := exec.CommandContext(context.Background(), "go", "build", "-o", built.dir, "github.com/berthd/berth/cmd/berth", "github.com/berthd/berth/cmd/berth-shim")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "berth")
}

// fleet runs processes of the binary, in a directory of its own.
type fleet struct {
	t    *testing.T
	dir  string
	etcd string // host:port
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	return &fleet{t: t, dir: t.TempDir(), etcd: freeAddress(t)}
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func (f *fleet) socket() string { return filepath.Join(f.dir, "api.sock") }

func (f *fleet) endpoint() string { return "http://" + f.etcd }

// proc is a process that runs.
type proc struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when it has ended
	err   error         // written before
}

// start runs the binary, or another one, and shows its log when the test fails.
func (f *fleet) start(name string, env []string, command ...string) *proc {
	f.t.Helper()
	p := &proc{t: f.t, name: name, log: filepath.Join(f.dir, name+".log"), ended: make(chan struct{})}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	p.cmd = exec.CommandContext(context.Background(), command[0], command[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = file, file
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = file.Close() // the process has its own
		close(p.ended)
	}()
	f.t.Cleanup(func() {
		p.kill()
		if f.t.Failed() {
			f.t.Logf("the end of %s's log:\n%s", name, p.tail())
		}
	})
	return p
}

func (p *proc) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// kill is SIGKILL.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop is a signal that asks, and the end; it returns the exit code.
func (p *proc) stop(signal syscall.Signal) int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(signal) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Errorf("%s does not end", p.name)
		p.kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

// daemon starts the daemon, and returns when it answers.
func (f *fleet) daemon() *proc {
	f.t.Helper()
	return f.daemonOn("data")
}

// daemonOn starts it on another data directory.
func (f *fleet) daemonOn(data string) *proc {
	f.t.Helper()
	p := f.start("daemon", nil, binary(f.t), "daemon", "--data-dir", filepath.Join(f.dir, data), "--socket", f.socket(), "--listen", "", "--etcd-listen", f.etcd)
	c := f.client()
	defer c.Close()
	p.answers(c)
	return p
}

// answers waits until a daemon does.
func (p *proc) answers(c *client.Client) {
	p.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Second)
		_, err := c.Info(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatalf("the daemon ended: %v\n%s", p.err, p.tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *fleet) client() *client.Client { return f.clientOn(f.socket()) }

func (f *fleet) clientOn(socket string) *client.Client {
	f.t.Helper()
	c, err := client.New(client.Options{Address: socket, RetryFor: -1})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// worker starts an agent with real processes.
func (f *fleet) worker(name string, flags ...string) *proc {
	f.t.Helper()
	args := []string{binary(f.t), "worker", "--name", name, "--data-dir", filepath.Join(f.dir, name), "--etcd-endpoints", f.endpoint(), "--wait-for-name"}
	return f.start(name, nil, append(args, flags...)...)
}

// hollow starts workers that pretend.
func (f *fleet) hollow(shapes string, flags ...string) *proc {
	f.t.Helper()
	args := []string{binary(f.t), "worker", "--hollow", shapes, "--etcd-endpoints", f.endpoint(), "--wait-for-name"}
	return f.start("hollow", nil, append(args, flags...)...)
}

// waitReady waits until so many workers can be placed on.
func (f *fleet) waitReady(c *client.Client, workers int) {
	f.t.Helper()
	for {
		all, err := c.Workers(f.t.Context())
		if err != nil {
			if _, unreachable := errors.AsType[*client.UnreachableError](err); !unreachable {
				f.t.Fatal(err)
			}
		}
		n := 0
		for _, w := range all {
			if w.GetState() == "ready" {
				n++
			}
		}
		if n >= workers {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}
