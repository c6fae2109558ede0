package shim

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// Nothing is executed before the kill timer is armed: where that fails, nothing has been.
func TestStart_ArmsBeforeItExecutes(t *testing.T) {
	t.Chdir(t.TempDir())
	input, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{
		charge: &Charge{Version: Version, Path: "/bin/true", Args: []string{"true"}, Output: Output{Dir: ".", MaxBytes: 1 << 20, MaxFiles: 1}},
		alarm:  &alarm{fd: -1, c: make(chan struct{}, 1)}, // none can be armed
		input:  input, childs: make(chan struct{}),
	}
	if err := s.start(); err == nil || !strings.Contains(err.Error(), "arm the kill timer") {
		t.Errorf("start: %v, want to be told that the timer cannot be armed", err)
	}
	if s.first != 0 {
		t.Errorf("process %d was executed with no timer armed", s.first)
	}
}

// A command that is not there is the request's fault; a cgroup that is not there is the
// machine's, though the kernel's word for both is the same.
func TestStart_WhoseFault(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Charge)
		want int
	}{
		"command":   {func(c *Charge) { c.Path = "/no/such" }, 127},
		"directory": {func(c *Charge) { c.Dir = "/no/such" }, 127},
		"cgroup":    {func(c *Charge) { c.Group.Unified = "/no/such" }, 0},
		"output":    {func(c *Charge) { c.Output.Dir = "/proc/no/such" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			s := &supervisor{
				charge: &Charge{Version: Version, Path: "/bin/true", Args: []string{"true"}, Output: Output{Dir: ".", MaxBytes: 1 << 20, MaxFiles: 2}},
				childs: make(chan struct{}),
			}
			c.edit(s.charge)
			var err error
			if s.alarm, err = newAlarm(); err != nil {
				t.Fatal(err)
			}
			if s.input, err = os.Open(os.DevNull); err != nil {
				t.Fatal(err)
			}
			err = s.start()
			if err == nil {
				t.Fatalf("process %d was started", s.first)
			}
			if e := failure(err); e.Code != c.want || e.Errno != syscall.ENOENT {
				t.Errorf("code %d, %v, want %d: %v", e.Code, e.Errno, c.want, err)
			}
		})
	}
}
