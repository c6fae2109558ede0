package daemon

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// What is found for a time is a revision that the view was at then, or one that is no
// more than a second older; and the latest is always known.
func TestPastClock_Property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c pastClock
		began := time.Unix(1e9, 0)
		now, rev := began, berth.Revision(1)
		var all []sample
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 3000).Draw(t, "ms")) * time.Millisecond)
			rev += berth.Revision(rapid.Int64Range(0, 5).Draw(t, "revisions"))
			c.passed(rev, now)
			all = append(all, sample{rev, now})
		}
		asked := began.Add(time.Duration(rapid.Int64Range(-1000, 130_000).Draw(t, "asked")) * time.Millisecond)
		got, ok := c.at(asked)
		if before := asked.Before(all[0].at); ok == before {
			t.Fatalf("asked for %s after the first: %t", asked.Sub(all[0].at), ok)
		}
		if !ok {
			return
		}
		if !asked.Before(now) && got.revision != rev {
			t.Fatalf("the latest is revision %d, not %d", rev, got.revision)
		}
		for _, s := range all {
			if !s.at.After(asked.Add(-time.Second)) && s.revision > got.revision {
				t.Fatalf("revision %d, though the view was at %d more than a second before", got.revision, s.revision)
			}
		}
		if got.at.After(asked) {
			t.Fatalf("of %s later", got.at.Sub(asked))
		}
	})
}

func TestPastClock_Bounded(t *testing.T) {
	t.Parallel()
	var c pastClock
	for i := range 3 * samplesMost {
		c.passed(berth.Revision(i+1), time.Unix(int64(i), 0))
	}
	if n := len(c.samples); n > samplesMost || n < samplesMost/2 {
		t.Errorf("%d samples", n)
	}
}

// What the store has not answered in time is asked again, and nothing else is.
func TestPatiently(t *testing.T) {
	t.Parallel()
	late, broken := fmt.Errorf("read 3 keys: %w", context.DeadlineExceeded), errors.New("broken")
	for _, tt := range []struct {
		name    string
		answers []error
		asked   int
		want    error
	}{
		{"at once", []error{nil}, 1, nil},
		{"late", []error{late, late, nil}, 3, nil},
		{"broken", []error{late, broken, nil}, 2, broken},
		{"never", []error{late, late, late, late, late, late}, 4, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 7*pause/2)
				defer cancel()
				asked := 0
				err := patiently(ctx, func() error { asked++; return tt.answers[asked-1] })
				if asked != tt.asked || !errors.Is(err, tt.want) {
					t.Errorf("asked %d times: %v; want %d times, %v", asked, err, tt.asked, tt.want)
				}
			})
		})
	}
}
