package daemon

import (
	"testing"
	"time"
)

// A daemon that stood still takes nobody for gone before it has heard what came meanwhile.
func TestPeers_StoodStill(t *testing.T) {
	s := newStage(t, bigWorker)
	s.submitted(1, 100)
	s.step()
	s.clock = s.clock.Add(10 * time.Second)
	if p := s.step(); !p.Empty() {
		t.Fatalf("stepped in at once: %+v", p.Places)
	}
	if p := s.pass(stepInAfter/2 - time.Millisecond); p != nil {
		t.Fatalf("stepped in at %v: %+v", s.clock, p.Places)
	}
	if p := s.pass(2 * time.Millisecond); p == nil || len(p.Places) != 1 {
		t.Errorf("did not step in: %+v", p)
	}
}

// While its watch lags, a daemon does not know what the others have committed.
func TestLag(t *testing.T) {
	s := newStage(t, bigWorker)
	s.view.passed(s.rev)
	s.lag.answered(s.rev+10, s.view.revision, s.clock)
	s.submitted(1, 100)
	s.step()
	if p := s.pass(900 * time.Millisecond); p != nil {
		t.Fatalf("stepped in while the watch lags: %+v", p.Places)
	}
	s.lag.passed(s.rev+10, s.clock)
	if got := s.lag.now(s.clock); got != 900*time.Millisecond {
		t.Errorf("the watch lags by %v, want 900ms", got)
	}
	s.lag.answered(s.rev+5, s.rev+10, s.clock)
	if got := s.lag.now(s.clock); got != 0 {
		t.Errorf("the watch lags by %v, and it was before the answer", got)
	}
	if p := s.pass(time.Second); p == nil || len(p.Places) != 1 {
		t.Errorf("did not step in: %+v", p)
	}
}
