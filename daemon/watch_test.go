package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/worker"
)

// watchUntil is what a watch from a position tells until enough holds, and how far
// it has come.
func watchUntil(t *testing.T, d *daemon.Daemon, from daemon.Position, enough func(*daemon.Status, daemon.Position) bool) (ids []berth.RequestID, at daemon.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := errors.New("enough")
	err := d.WatchFrom(ctx, daemon.Filter{}, from, func(s *daemon.Status, now daemon.Position) error {
		if at = now; s != nil {
			ids = append(ids, s.ID)
		}
		if enough(s, now) {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatalf("watch: %v", err)
	}
	return ids, at
}

// stands: the requests as they are, or what a watch had missed, have been told.
func stands(from daemon.Position) func(*daemon.Status, daemon.Position) bool {
	return func(s *daemon.Status, at daemon.Position) bool { return s == nil && at.After == "" && at != from }
}

// What was submitted and has ended while no watch stood is told to one that goes on,
// and what it was told before is not.
func TestWatchFrom(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 1, RunFor: time.Millisecond})
	run := func(ids ...string) {
		for _, id := range ids {
			res, err := d.Submit(t.Context(), []berth.Request{request(id)})
			if err != nil || res[0].Err != nil {
				t.Fatalf("submit %s: %v %+v", id, err, res)
			}
			for ended := await(t, d, berth.RequestID(id)); ; { // until the watch has told the daemon, too
				in, err := d.Info(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if in.Revision >= ended.Changed {
					break
				}
			}
		}
	}
	run("before")
	told, at := watchUntil(t, d, daemon.Position{}, stands(daemon.Position{}))
	if len(told) > 0 {
		t.Errorf("told %v, which has ended", told)
	}
	run("b", "a")
	if told, _ = watchUntil(t, d, at, stands(at)); !slices.Equal(told, []berth.RequestID{"a", "b"}) {
		t.Errorf("told %v, want what has ended meanwhile", told)
	}
	// Before it had come to b: the ends are told all the same, for no list of what is will.
	at.After = "a"
	if told, _ = watchUntil(t, d, at, stands(at)); !slices.Equal(told, []berth.RequestID{"a", "b"}) {
		t.Errorf("told %v, want both ends", told)
	}
	at.Store++
	if err := d.WatchFrom(t.Context(), daemon.Filter{}, at, nil); !errors.Is(err, daemon.ErrReplaced) {
		t.Errorf("from a position of another store: %v", err)
	}
}

// A watch that has not been read yet holds a page of what is, and not all: what lies behind it is told as it is
// when its page is taken, and an end that has passed it, as any.
func TestWatchFrom_Pages(t *testing.T) {
	d, _ := start(t)
	var want []berth.RequestID
	var all []berth.Request
	for i := range 600 {
		want = append(want, berth.RequestID(fmt.Sprintf("r-%03d", i)))
		all = append(all, request(string(want[i])))
	}
	if _, err := d.Submit(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	const page = 256
	var listed, ended []berth.RequestID
	stood := false
	watchUntil(t, d, daemon.Position{}, func(s *daemon.Status, at daemon.Position) bool {
		switch {
		case s == nil:
			stood = stood || at.Store != 0
		case s.State.Final():
			ended = append(ended, s.ID)
		case !stood:
			if len(listed) == 0 {
				for _, id := range []berth.RequestID{want[page-1], want[page]} {
					if _, err := d.Cancel(t.Context(), id, ""); err != nil {
						t.Fatal(err)
					}
					await(t, d, id)
				}
			}
			listed = append(listed, s.ID)
		}
		return len(ended) == 2
	})
	if want = slices.Delete(want, page, page+1); !slices.Equal(listed, want) {
		t.Errorf("listed %v, want all but the first of the second page", listed)
	}
	if slices.Sort(ended); !slices.Equal(ended, []berth.RequestID{"r-255", "r-256"}) {
		t.Errorf("ended %v", ended)
	}
}
