package integration_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What one daemon has acknowledged, no other calls unknown, though its watch may
// be behind: it says that it is not ready, and clients ask again.
func TestDaemons_KnowWhatOthersAcknowledged(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{daemons: 3, workers: 1, watch: true})
	for i := range 200 {
		r := small(fmt.Sprintf("r%03d", i))
		submit(t, s.daemons[0], r)
		for _, d := range s.daemons[1:] {
			if _, err := d.Get(t.Context(), r.ID); errors.Is(err, daemon.ErrNotFound) {
				t.Errorf("get: %v", err)
			}
			if _, err := d.Cancel(t.Context(), r.ID, ""); errors.Is(err, daemon.ErrNotFound) {
				t.Errorf("cancel: %v", err)
			}
		}
	}
	if _, err := s.daemons[1].Get(t.Context(), berth.RequestID("never")); !errors.Is(err, daemon.ErrNotFound) {
		t.Errorf("of what was never submitted: %v", err)
	}
	for _, d := range s.daemons {
		idle(t, d)
	}
}
