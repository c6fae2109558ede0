package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Twenty failures at once, of a worker that hung, are one round of suspension;
// each later round is twice as long, up to the most.
func TestStarts_Suspend(t *testing.T) {
	s, now := &starts{}, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		if s.failed(berth.RequestID(fmt.Sprint("hung", i))) {
			s.suspend(now)
		}
	}
	want := suspendFirst
	for round := range 15 {
		if got := s.until.Sub(now); got != want {
			t.Errorf("round %d: suspended for %s, want %s", round+1, got, want)
		}
		now = s.until
		if !s.probing(now) {
			t.Error("not probed after its suspension")
		}
		if s.failed(berth.RequestID(fmt.Sprint("probe", round))) {
			s.suspend(now)
		}
		want = min(2*want, suspendMost)
	}
}
