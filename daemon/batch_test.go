package daemon

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// A full batch is amortise times the fixed part of a transaction, whatever noise is
// on the times and however the sizes come; within the bounds.
func TestBatches_LearnTheFixedPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fixed := time.Duration(rapid.Int64Range(int64(50*time.Microsecond), int64(50*time.Millisecond)).Draw(t, "fixed"))
		member := time.Duration(rapid.Int64Range(int64(5*time.Microsecond), int64(time.Millisecond)).Draw(t, "member"))
		var s batches
		for range 300 {
			n := rapid.IntRange(1, fullBatch).Draw(t, "members")
			took := fixed + time.Duration(n)*member
			noise := time.Duration(rapid.Int64Range(-1, 1).Draw(t, "noise")) * took / 200
			s.saw(n, took+noise)
		}
		want := min(max(amortise*float64(fixed)/float64(member), smallBatch), fullBatch)
		if got := float64(s.full()); (got < 0.5*want || got > 2*want) && fixed > 10*member {
			t.Errorf("full batch of %.0f, want about %.0f (fixed %s, member %s)", got, want, fixed, member)
		}
		if got := s.full(); got < smallBatch || got > fullBatch {
			t.Errorf("full batch of %d; allowed: %d to %d", got, smallBatch, fullBatch)
		}
	})
}

// What all had one size shows nothing of what a member takes.
func TestBatches_OneSizeOnly(t *testing.T) {
	var s batches
	for range 100 {
		s.saw(1, time.Millisecond)
	}
	if got := s.full(); got != fullBatch {
		t.Errorf("full batch of %d, want %d", got, fullBatch)
	}
}

// A plan is sent beside another where it leaves ledgers to the one behind it, or is full.
func TestMayGather_Beside(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		workers, taken, waiting int
		want                    bool
	}{
		{name: "small", workers: 1000, taken: 1, waiting: smallBatch - 1},
		{name: "few of the ledgers", workers: 1000, taken: 400, waiting: smallBatch, want: true},
		{name: "all but one", workers: 20 + smallBatch, taken: 19, waiting: smallBatch, want: true},
		{name: "all that are left", workers: 20 + smallBatch, taken: 20, waiting: smallBatch},
		{name: "more than there are", workers: 20, taken: 1, waiting: 99},
		{name: "full", workers: 20, taken: 1, waiting: fullBatch, want: true},
		{name: "no workers", waiting: smallBatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := loopWith(t)
			l.open = true
			for i := range tt.workers {
				l.share.put(berth.WorkerID(fmt.Sprintf("w%d", i)), berth.PoolID(fmt.Sprintf("p%d", i%2)))
			}
			l.incoming.order = make([]*submission, tt.waiting)
			if !l.mayGather() {
				t.Fatal("waits, though nothing is in flight")
			}
			l.flights.count = 1
			for i := range tt.taken {
				l.flights.workers[berth.WorkerID(fmt.Sprintf("w%d", i))] = &flight{}
			}
			if got := l.mayGather(); got != tt.want {
				t.Errorf("sent beside: %v, want %v", got, tt.want)
			}
		})
	}
}
