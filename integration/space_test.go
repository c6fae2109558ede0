package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A store that is nearly full refuses submissions, with an error that says so;
// what runs ends all the same, and what ended makes room: the store is compacted
// and the archive purged, until submissions are taken again.
func TestStore_Full(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // of the clock
	s := newSite(t, siteOptions{workers: 1, runFor: 3 * time.Second, quota: 32 << 20, now: func() time.Time {
		return time.Now().Add(time.Duration(ahead.Load()))
	}})
	d := s.daemons[0]
	submit(t, d, small("runs"))
	var waiting []berth.RequestID
	for {
		r := small(fmt.Sprintf("large-%d", len(waiting)))
		r.Env = map[string]string{"X": strings.Repeat("x", 60_000)}
		r.Resources.CPUMilli = 1_000_000 // nobody has that
		res, err := d.Submit(t.Context(), []berth.Request{r})
		if err != nil {
			t.Fatal(err)
		}
		if err := res[0].Err; errors.Is(err, daemon.ErrNoSpace) {
			if !strings.Contains(err.Error(), "quota") {
				t.Errorf("%v does not say what is full", err)
			}
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if waiting = append(waiting, r.ID); len(waiting) > 600 {
			t.Fatal("32 MiB hold 600 requests of 60 kB")
		}
	}
	if st := until(t, d, "runs", ended); st.State != berth.StateSucceeded {
		t.Errorf("what ran when the store was full: %+v", st)
	}
	for i, id := range waiting {
		if _, err := d.Cancel(t.Context(), id, ""); err != nil {
			t.Fatalf("cancel %s, to make room: %v", id, err)
		}
		if i%60 == 59 {
			<-time.After(2500 * time.Millisecond) // the store is looked at, and compacted
		}
	}
	ahead.Store(int64(2 * time.Minute)) // the archive may be purged a minute after an end
	for end := time.Now().Add(time.Minute); ; {
		res, err := d.Submit(t.Context(), []berth.Request{small("after")})
		if err == nil && res[0].Err == nil {
			break
		}
		if time.Now().After(end) {
			in, _ := d.Info(t.Context())
			t.Fatalf("still refused: %v %+v; %+v", err, res, in)
		}
		<-time.After(100 * time.Millisecond)
	}
	until(t, d, "after", ended)
}
