package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// There is one shim for each container: what it imports is paid as often.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/berthd/berth/cmd/berth-shim").Output()
	if err != nil {
		t.Fatal(err)
	}
	may := map[string]bool{
		"golang.org/x/sys/unix": true, "github.com/berthd/berth/worker/logfile": true,
		"github.com/berthd/berth/worker/shim": true, "github.com/berthd/berth/cmd/berth-shim": true,
	}
	never := map[string]bool{"net": true, "net/http": true, "os/exec": true, "os/user": true, "regexp": true, "crypto/tls": true, "log": true}
	for path := range strings.FieldsSeq(string(out)) {
		if never[path] || strings.Contains(strings.Split(path, "/")[0], ".") && !may[path] {
			t.Errorf("berth-shim imports %s", path)
		}
	}
}

// What stands here was written by shims and agents that may still run: it must be
// read as it is. New fields get new lines, and old lines stay.
func TestWire_Version1(t *testing.T) {
	var c Charge
	decode(t, `{"version":1,"path":"/bin/sh","args":["sh","-c","true"],"env":["A=b"],"dir":"/","account":{"uid":1,"gid":2,"groups":[3]},
		"group":{"dirs":["/c/f/x","/c/m/x"],"home":["/c/f","/c/m"],"freezer":"/c/f/x","memory":"/c/m/x","mark":"M.r.1"},
		"output":{"dir":"/logs/r/1","max_bytes":4096,"max_files":3},"deadline":{"stop_ns":7,"kill_ns":9},"keep_ns":11,"of_later":true}`, &c)
	if c.Path != "/bin/sh" || len(c.Args) != 3 || c.Account.Groups[0] != 3 || c.Group.Memory != "/c/m/x" || c.Output.MaxFiles != 3 ||
		c.Deadline != (Deadline{Stop: 7, Kill: 9}) || c.Keep != 11 {
		t.Errorf("%+v", c)
	}
	for line, want := range map[string]Order{
		`{"op":"renew","deadline":{"stop_ns":7,"kill_ns":9}}`: {Op: OpRenew, Deadline: Deadline{Stop: 7, Kill: 9}},
		`{"op":"stop","grace_ns":5}`:                          {Op: OpStop, Grace: 5},
		`{"op":"stop","grace_ns":5,"dismissed":"it ends"}`:    {Op: OpStop, Grace: 5, Dismissed: "it ends"},
		`{"op":"kill","why":"of a later version"}`:            {Op: OpKill},
	} {
		var o Order
		if decode(t, line, &o); o != want {
			t.Errorf("%s: %+v, want %+v", line, o, want)
		}
	}
	var s State
	decode(t, `{"version":1,"phase":"ended","pid":12,"started_at":"2026-01-02T03:04:05Z","exit":{"version":1,"code":0,"signal":9,"deadline":true,"at":"2026-01-02T03:04:06Z"}}`, &s)
	if s.Phase != PhaseEnded || s.PID != 12 || s.Exit.Signal != 9 || !s.Exit.Deadline || s.Exit.At.Sub(s.StartedAt) != time.Second {
		t.Errorf("%+v", s)
	}
	var e Exit
	decode(t, `{"version":1,"code":0,"signal":15,"dismissed":"it ends","at":"2026-01-02T03:04:06Z"}`, &e)
	if e.Signal != 15 || e.Dismissed != "it ends" {
		t.Errorf("%+v", e)
	}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatal(err)
	}
}

// A record is never read half, and a shorter one over a longer one is whole.
func TestWriteExit(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadExit(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want %v", err, fs.ErrNotExist)
	}
	if err := os.WriteFile(filepath.Join(dir, exitFile+".new"), make([]byte, 2*recordBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	want := Exit{Version: Version, Code: 3, Message: "short", At: time.Unix(1, 0).UTC()}
	if err := WriteExit(dir, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadExit(dir); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestHeld(t *testing.T) {
	dir := t.TempDir()
	if held, _, err := Held(dir); held || err != nil {
		t.Errorf("no lock: %v, %v", held, err)
	}
	lock, err := NewLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewLock(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second lock: %v", err)
	}
	if held, pid, err := Held(dir); !held || pid != 0 || err != nil {
		t.Errorf("held: %v, %d, %v", held, pid, err)
	}
	if _, err := lock.WriteString("12"); err != nil {
		t.Fatal(err)
	}
	if _, pid, _ := Held(dir); pid != 12 {
		t.Errorf("its process is %d", pid)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if held, _, err := Held(dir); held || err != nil {
		t.Errorf("given up: %v, %v", held, err)
	}
}

// Two that look at once do not take each other for a shim: one was about to kill
// the process whose number a dead one had left.
func TestHeld_ByNobody(t *testing.T) {
	dir := t.TempDir()
	lock, err := NewLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 2000 {
				if held, _, err := Held(dir); held || err != nil {
					t.Errorf("held by nobody: %v, %v", held, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestKillHolder(t *testing.T) {
	dir := t.TempDir()
	lock, err := NewLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := KillHolder(dir); err != nil { // it has not said which process it is
		t.Error(err)
	}
	holder := exec.CommandContext(t.Context(), "sleep", "1000")
	holder.ExtraFiles = []*os.File{lock}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(lock, holder.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := KillHolder(dir); err != nil {
		t.Error(err)
	}
	if err := holder.Wait(); err == nil || holder.ProcessState.ExitCode() != -1 {
		t.Errorf("it ended with %v", err)
	}
	// The lock is free, and the number in it is this process now.
	if err := os.WriteFile(filepath.Join(dir, lockFile), fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := KillHolder(dir); err != nil {
		t.Error(err)
	}
}

// A group without a mark, and a process that was not recorded, name no process.
// They once named every process of the machine that has no mark, and it was killed.
func TestLeft_Nothing(t *testing.T) {
	for _, r := range []Running{{}, {PID: 1}, {PID: os.Getpid()}, {PID: 1 << 30}} {
		if got := left(Group{}, r); len(got) > 0 {
			t.Errorf("left of %+v: %v", r, got)
		}
	}
}
