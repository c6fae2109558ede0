package daemon

import (
	"testing"
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
			c.passed(rev, 0, now)
			all = append(all, sample{rev, now, 0})
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

// Two may be of one moment, as a clock tells it: the view was at the later one then.
func TestPastClock_OneMoment(t *testing.T) {
	t.Parallel()
	var c pastClock
	at := time.Unix(1e9, 0)
	c.passed(1, 0, at)
	c.passed(2, 0, at)
	if got, ok := c.at(at); !ok || got.revision != 2 {
		t.Errorf("the latest is revision 2, not %d, %t", got.revision, ok)
	}
}

// However long something changes all the time, the samples are bounded; of half a day none is a
// second off, and of a week none a minute.
func TestPastClock_Bounded(t *testing.T) {
	t.Parallel()
	var c pastClock
	const days = 20
	now := time.Unix(0, 0)
	for i := range days * 86_400 {
		now = time.Unix(int64(i), 0)
		c.passed(berth.Revision(i+1), 10, now)
		if len(c.samples) > samplesMost {
			t.Fatalf("%d samples", len(c.samples))
		}
	}
	for ago := range 7 * 24 * 60 {
		asked := now.Add(-time.Duration(ago) * time.Minute)
		got, ok := c.at(asked)
		most := time.Minute
		if !c.rough(asked) {
			most = time.Second
		}
		if off := asked.Sub(got.at); !ok || off > most || got.at != time.Unix(int64(got.revision-1), 0) || got.written != int64(got.revision-1)*10 {
			t.Fatalf("%d minutes ago: %+v, %t", ago, got, ok)
		}
		if ago < 6*60 && c.rough(asked) {
			t.Fatalf("%d minutes ago is known roughly", ago)
		}
	}
}

// What is found for an amount of bytes is the first sample behind which there is no more.
func TestPastClock_Bytes(t *testing.T) {
	t.Parallel()
	var c pastClock
	for i, bytes := range []int64{1000, 10, 20, 30, 0, 40} {
		c.passed(berth.Revision(10*(i+1)), bytes, time.Unix(int64(2*i), 0))
	}
	for _, tt := range []struct {
		most int64
		want berth.Revision
	}{{0, 60}, {39, 60}, {40, 40}, {69, 40}, {70, 30}, {99, 20}, {100, 0}, {1 << 40, 0}} {
		if got := c.beyond(tt.most); got != tt.want {
			t.Errorf("beyond %d bytes: revision %d, want %d", tt.most, got, tt.want)
		}
	}
	for _, tt := range []struct {
		rev  berth.Revision
		want int64
	}{{0, 100}, {10, 100}, {15, 100}, {20, 90}, {29, 90}, {30, 70}, {40, 40}, {50, 40}, {60, 0}, {70, 0}} {
		if got := c.since(tt.rev); got != tt.want {
			t.Errorf("since revision %d: %d bytes, want %d", tt.rev, got, tt.want)
		}
	}
}
