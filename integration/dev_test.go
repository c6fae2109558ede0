package integration_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// All of a machine is killed, and started again before its worker's lease is over: its epoch goes on, so it is known by the
// address that it had. What runs then is heard, and nobody is told of settings that nobody changed.
func TestDev_KilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := &situations{api: freeAddress(t), path: filepath.Dir(binary(t))}
	dev := []string{binary(t), "dev", "--data-dir", filepath.Join(f.dir, "data"), "--no-cgroups", "--listen", s.api, "--etcd-listen", f.etcd}
	ready := func() bool { return strings.Count(s.run(t, "berth workers"), " ready ") == 1 }
	d := f.start("dev", nil, dev...)
	comesAbout(t, "the worker", ready)
	if out := s.run(t, "berth run -- echo before"); !strings.Contains(out, "before") {
		t.Errorf("it says %q", out)
	}
	d.kill()
	d = f.start("dev", nil, dev...)
	comesAbout(t, "the worker again", ready)
	if out := s.run(t, "berth run -- echo after"); !strings.Contains(out, "after\n") || strings.Contains(out, "warning") {
		t.Errorf("it says %q", out)
	}
	if log := d.tail(); strings.Contains(log, "changed setting") {
		t.Errorf("it warns:\n%s", log)
	}
}
