package robustness

import (
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/berthd/berth/robustness/memetcd"
)

// outage begins one of the faults under which calls come to nothing.
func (w *world) outage(kind FaultKind, actor string, lasts time.Duration) {
	switch kind {
	case FaultCut:
		w.cutOff(actor, lasts)
	case FaultAway:
		w.goAway(lasts)
	case FaultNoLeader:
		w.loseLeader(lasts)
	}
}

// over ends what lasts. Only then does the time begin within which everything has
// to come to its end: an outage that began last may be the longest.
func (w *world) over(lasts time.Duration, end func()) {
	w.lasting++
	w.after(lasts, nil, func() {
		w.lasting--
		end()
	})
}

// fallBehind connects an actor to a member that applies nothing for a time: it
// tells watches nothing, and answers serializable reads from what it has. What
// needs the quorum is not touched.
func (w *world) fallBehind(actor string, lasts time.Duration) {
	w.net.behind[actor] = w.store.Revision()
	w.net.held[actor]++
	w.over(lasts, func() {
		delete(w.net.behind, actor)
		w.net.held[actor]--
		w.changed()
	})
}

// cutOff keeps an actor from the store for a time.
func (w *world) cutOff(actor string, lasts time.Duration) {
	w.net.cut[actor]++
	w.breakStreams(func(s *stream) bool { return s.p.name == actor }, pingOut, errUnavailable)
	w.over(lasts, func() { w.net.cut[actor]-- })
}

// goAway takes the store away from all: its members have ended, and then no
// lease ends before a new leader has renewed it, or only the way to them has.
func (w *world) goAway(lasts time.Duration) {
	down := w.rng.IntN(2)
	w.net.away++
	w.net.frozen += down
	w.breakStreams(func(*stream) bool { return true }, pingOut, errUnavailable)
	w.over(lasts, func() {
		w.net.away--
		w.net.frozen -= down
		if down > 0 {
			w.newLeader()
		}
	})
}

func (w *world) loseLeader(lasts time.Duration) {
	w.net.noLeader++
	w.net.frozen++
	w.breakStreams(func(s *stream) bool { return s.leader }, 3*time.Second, rpctypes.ErrGRPCNoLeader)
	w.over(lasts, func() {
		w.net.noLeader--
		w.net.frozen--
		w.newLeader()
	})
}

func (w *world) newLeader() {
	w.store.Advance(w.now())
	w.store.NewLeader()
}

func (w *world) mute(actor string, lasts time.Duration) {
	w.net.muted[actor]++
	w.over(lasts, func() { w.net.muted[actor]-- })
}

// holdWatch tells an actor's watches nothing for a time, after which what they
// wait for may be compacted.
func (w *world) holdWatch(actor string, lasts time.Duration, compact bool) {
	w.net.held[actor]++
	w.over(lasts, func() {
		if compact && w.store.Compacted() < w.store.Revision() {
			_, _ = w.store.Do(&pb.CompactionRequest{Revision: w.store.Revision()}) // cannot fail: it is the latest
		}
		w.net.held[actor]--
		w.changed()
	})
}

// fill raises the space alarm for a time.
func (w *world) fill(lasts time.Duration) {
	w.alarm(pb.AlarmRequest_ACTIVATE)
	w.over(lasts, func() { w.alarm(pb.AlarmRequest_DEACTIVATE) })
}

func (w *world) alarm(action pb.AlarmRequest_AlarmAction) {
	_, _ = w.store.Do(&pb.AlarmRequest{Action: action, Alarm: pb.AlarmType_NOSPACE}) // never refused
}

func (w *world) breakStreams(which func(*stream) bool, within time.Duration, err error) {
	for _, s := range w.net.streams {
		if which(s) && !s.over {
			s.breakIn(time.Duration(w.rng.Int64N(int64(within))), err)
		}
	}
}

// keepTime ends leases as etcd does, and tells watches now and then how far they
// have come.
func (w *world) keepTime() {
	if w.net.frozen == 0 {
		w.store.Advance(w.now())
		if w.store.Expire() > 0 {
			w.changed()
		}
	}
	if w.rng.IntN(40) == 0 {
		for _, s := range w.net.streams {
			s.progress()
		}
	}
	w.after(memetcd.ExpiryPoll, nil, w.keepTime)
}
