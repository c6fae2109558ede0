package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// crowdedShelf is an account of whose quota 900 of 1000 thousandths of a core are used, and
// before it so many requests and groups of as many shapes, that it has no room for.
func crowdedShelf(tb testing.TB, n int) *shelfStage {
	tb.Helper()
	l := loopWith(tb)
	s := &shelfStage{&stage{loop: l, clock: time.Unix(1000, 0), rev: 100}, account{"t", "default"}}
	l.d.opts.Now = func() time.Time { return s.clock }
	l.allKnown()
	s.tell(daemonKey("daemon"), &berth.Daemon{TxnBase: "self"})
	s.tellQuota("t", berth.Quota{Limits: cpu(1000), Taken: cpu(1000), Blocks: 1})
	s.tellBlock("t", "daemon", berth.Block{Block: cpu(1000), Used: cpu(900)})
	if !l.peers.self {
		tb.Fatal("it is no member, and changes no block")
	}
	for i := range n {
		r := requestOf("t", berth.RequestID(fmt.Sprintf("r%06d", i)), int64(200+i%600))
		r.Resources.MemoryBytes = int64(i)
		s.queue.put(&waiting{id: r.ID, request: &r, seq: berth.Revision(i + 1)})
		s.queue.block(r.ID, overQuota())
		of := r
		g := &gang{id: berth.GroupID(fmt.Sprintf("g%06d", i)), pool: r.Pool, request: &of, size: 2, seq: berth.Revision(i + 1), like: fmt.Sprint(i)}
		s.gangs.put(g)
		s.gangs.blockOver(g, overQuota(), s.clock, 2, nil)
	}
	return s
}

// A look judges few, how many classes may wait: where nothing fits, and where one does that
// comes last.
func TestShelf_JudgesFew(t *testing.T) {
	s := crowdedShelf(t, 5000)
	last := requestOf("t", "small", 100)
	s.queue.put(&waiting{id: "small", request: &last, seq: 10_000})
	s.queue.block("small", overQuota())
	b := s.balance(s.of, s.quotas.of[s.of], nil)
	judged := 0
	c := s.queue.firstOver(s.of, b.placeable(), func(w *waiting) bool {
		judged++
		return s.allowsOne(w, &b).verdict == nil
	})
	if nameOf(c) != "small" || judged != 1 {
		t.Errorf("the first is %s, and %d were judged, want small and one", nameOf(c), judged)
	}
	s.queue.firstOver(s.of, b.lacking(func(d berth.Dimension) int64 { return b.room(d) + b.free(d) }), func(*waiting) bool {
		judged++
		return false
	})
	judged += len(s.gangs.over.all(s.of, b.placeable()))
	if judged != 1 {
		t.Errorf("%d were judged of which none fits", judged-1)
	}
}

// BenchmarkLookQuota is one look at a tenant's quota, before requests and groups of as many shapes.
func BenchmarkLookQuota(b *testing.B) {
	for _, n := range []int{50, 5000} {
		b.Run(fmt.Sprintf("shapes=%d", n), func(b *testing.B) {
			s := crowdedShelf(b, n)
			build := newBuilder(s.loop, s.clock)
			for b.Loop() {
				s.wakeOver(s.of, build)
				if s.changesOf("t", build) != nil {
					b.Fatal("something is to be changed")
				}
			}
		})
	}
}
