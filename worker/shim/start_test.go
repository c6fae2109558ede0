package shim

import (
	"os"
	"strings"
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
