package worker

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestStateDir_Lock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	first, err := openStateDir(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = openStateDir(path)
	if !errors.Is(err, ErrStateDirLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second agent: %v, want ErrStateDirLocked with the process id", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openStateDir(path)
	if err != nil {
		t.Fatalf("after the first has closed: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// An agent that is killed between fork and exec of a child leaves the lock with the
// child, which ends it when it executes.
func TestStateDir_LockOfForked(t *testing.T) {
	path := t.TempDir()
	first, err := openStateDir(path)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "0.3")
	child.ExtraFiles = []*os.File{first.lock}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Wait() })
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openStateDir(path)
	if err != nil {
		t.Fatalf("while a child of the first still held the lock: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStateDir_Lease(t *testing.T) {
	d, err := openStateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	want := LeaseRecord{}
	check := func() {
		t.Helper()
		if got, err := d.Lease(); err != nil || got != want {
			t.Errorf("lease %+v, %v; want %+v", got, err, want)
		}
	}
	check()
	want = LeaseRecord{Lease: "694d7f", Worker: "w1"}
	if err := d.PutLease(want); err != nil {
		t.Fatal(err)
	}
	check()
	want = LeaseRecord{}
	for range 2 { // a second time there is nothing to remove
		if err := d.DropLease(); err != nil {
			t.Fatal(err)
		}
		check()
	}
	// The last one once was asked of the store for ever.
	for _, damaged := range []string{"{", `{"lease":7}`, `{"lease":"no lease","worker":"w1"}`} {
		if err := os.WriteFile(filepath.Join(d.path, leaseFile), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Lease(); err == nil || !strings.Contains(err.Error(), leaseFile) {
			t.Errorf("%s: %v, want an error that names the file", damaged, err)
		}
	}
}
