package daemon

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// groupFacts are of a group whose members run on one worker, some of them in an attempt
// that is over.
func groupFacts(size, least int64, old func(i int) bool) []berth.Fact {
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 1}}
	r := berth.Request{ID: "g", Resources: berth.Demand{Quantities: share.Quantities}, Group: &berth.Membership{Size: size, MinCount: least}}.Normalize()
	facts := []berth.Fact{
		{Key: workerKey("w"), Record: &berth.Worker{Pool: "default"}},
		{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Count: size, Reserved: berth.Share{Quantities: berth.Quantities{CPUMilli: size}}}},
		{Key: groupKey("g"), Record: &berth.Group{Size: size, MinCount: least, Attempt: 2, State: berth.GroupPlaced}},
	}
	for i, m := range r.Members() {
		attempt := int64(2)
		if old(i) {
			attempt = 1
		}
		facts = append(facts,
			berth.Fact{Key: requestKey(m.ID), Record: &berth.Submission{Spec: m}},
			berth.Fact{Key: stateKey(m.ID), Record: &berth.Progress{State: berth.StatePlaced, Attempt: attempt, Worker: "w", Epoch: 1}},
			berth.Fact{Key: allocationKey("w", m.ID), Record: &berth.Allocation{
				State: berth.StateRunning, Attempt: attempt, Epoch: 1, Share: share, Group: "g", GroupAttempt: attempt,
			}},
		)
	}
	return facts
}

// What is counted of a group while a plan is built is what counting anew gives.
func TestGroupEnds_Counts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Int64Range(1, 12).Draw(rt, "size")
		l := loopWith(t, groupFacts(size, rapid.Int64Range(1, size).Draw(rt, "least"), func(i int) bool { return rapid.IntRange(0, 4).Draw(rt, "old") == 0 })...)
		b := newBuilder(l, time.Unix(1000, 0))
		for _, m := range rapid.Permutation(l.inGroup("g")).Draw(rt, "order") {
			if rapid.Bool().Draw(rt, "look") {
				wantCounts(rt, b)
			}
			a, mod := l.view.allocation("w", m)
			sub, _ := l.view.submission(m)
			prog, progMod := l.view.progress(m)
			a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: rapid.Int64Range(0, 1).Draw(rt, "code")}
			b.end(ending{id: m, worker: "w", submission: sub, progress: prog, allocation: a, cause: causeExited, now: b.now}, mod, progMod, false)
			wantCounts(rt, b)
		}
		if len(b.plan.Ends) != int(size) {
			rt.Fatalf("%d ends of %d", len(b.plan.Ends), size)
		}
	})
}

func wantCounts(t *rapid.T, b *builder) {
	ends := make(map[berth.RequestID]*berth.End)
	for i := range b.plan.Ends {
		ends[b.plan.Ends[i].Request] = &b.plan.Ends[i]
	}
	was, _ := b.l.view.group("g")
	now, _ := b.groupNow("g")
	standing, succeeded := int64(0), b.l.succeeded("g", was)
	for _, m := range b.l.inGroup("g") {
		e := ends[m]
		if _, a, _ := b.l.view.allocationOf(m); e == nil && a.GroupAttempt == was.Attempt {
			standing++
		}
		if e != nil && e.Archive != nil && e.Archive.State == berth.StateSucceeded {
			succeeded++
		}
	}
	if n, need := b.standing("g"), b.needed("g", now); n != standing || need != now.MinCount-succeeded {
		t.Fatalf("%d stand and %d are needed, want %d and %d", n, need, standing, now.MinCount-succeeded)
	}
}

// BenchmarkGroup_EndsAtOnce plans the ends of a group of which all members fail.
func BenchmarkGroup_EndsAtOnce(b *testing.B) {
	for _, size := range []int64{64, 256} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			l := loopWith(b, groupFacts(size, 1, func(int) bool { return false })...)
			for b.Loop() {
				plan := newBuilder(l, time.Unix(1000, 0))
				for _, m := range l.inGroup("g") {
					a, mod := l.view.allocation("w", m)
					sub, _ := l.view.submission(m)
					prog, progMod := l.view.progress(m)
					a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1}
					plan.end(ending{id: m, worker: "w", submission: sub, progress: prog, allocation: a, cause: causeExited, now: plan.now}, mod, progMod, false)
				}
			}
		})
	}
}
