package daemon

import (
	"hash/fnv"
	"time"

	"github.com/berthd/berth"
)

// A mass loss does not show at once. A worker's lease ends a TTL after its last
// keepalive, and keepalives of different workers are up to TTL/3 apart (plus a
// second that the last may have been tried in vain). etcd looks for expired leases
// every 500 ms and revokes 500 at most each time; a new leader first needs an
// election (1 s), renews every lease by its whole TTL, and spreads them so that at
// most 750 end in a second.
const (
	expiryPoll      = 500 * time.Millisecond
	lateKeepalive   = time.Second
	election        = time.Second
	endingPerSecond = 750
)

// phases is how far apart n workers that were cut off at one moment are lost.
func phases(ttl time.Duration, n int) time.Duration {
	return ttl/3 + lateKeepalive + expiryPoll + spread(n)
}

// smear is the same across a change of etcd's leader, which gives those that were
// not lost yet another TTL. A window must not be shorter.
func smear(ttl time.Duration, n int) time.Duration {
	return ttl + election + phases(ttl, n)
}

func spread(n int) time.Duration {
	return time.Duration(n) * time.Second / endingPerSecond
}

// lostWorker is one whose key is gone.
type lostWorker struct {
	since   time.Time // it was seen to go
	ttl     time.Duration
	idle    bool // nothing may run there: it counts within the window only
	covered bool // by the brake that was released: its loss is not braked again
}

// brakeCase is all that a pool's brake depends on.
type brakeCase struct {
	policy berth.BrakePolicy
	alive  int // workers of the pool
	lost   []lostWorker
	held   int64        // containers that may run on them
	brake  *berth.Brake // in the store; nil: none
	seenAt time.Time    // this daemon first saw it as it is
	now    time.Time
}

// brakeStep is what a brake is to become: nothing of it is set where it stays.
type brakeStep struct {
	engage  bool
	release berth.BrakeRelease
	clear   bool
	held    bool
	until   time.Time // held: until then, if nothing happens
}

// holds says that nothing may be moved: a release counts when it is in the store.
func (s brakeStep) holds() bool { return s.held || s.release != "" }

// judgeBrake is pure. Without anything that may run on lost workers there is
// nothing to hold.
func judgeBrake(c brakeCase) brakeStep {
	if c.held == 0 {
		return brakeStep{clear: c.brake != nil}
	}
	if c.brake != nil && c.brake.State == berth.BrakeEngaged {
		until := c.seenAt.Add(time.Duration(c.brake.BoundMS) * time.Millisecond)
		switch {
		case !c.now.Before(until):
			return brakeStep{release: berth.ReleaseBound}
		case c.brake.Size-int64(c.alive) < int64(c.policy.Need(int(c.brake.Size))):
			return brakeStep{release: berth.ReleaseRecovered}
		}
		return brakeStep{held: true, until: until}
	}
	n := c.count()
	need := c.policy.Need(n.size)
	if n.fresh >= need {
		return brakeStep{engage: true, held: true, until: c.now.Add(c.policy.Bound())}
	}
	// Half of what the brake needs may be the beginning of it: no move is made
	// until the rest would have shown.
	if until := n.first.Add(phases(n.ttl, n.size)); n.fresh >= 2 && 2*n.fresh >= need && c.now.Before(until) {
		return brakeStep{held: true, until: until}
	}
	return brakeStep{}
}

// losses are what counts of the lost workers.
type losses struct {
	size  int           // of the pool before the loss: who lives, and who is lost
	fresh int           // lost within the window, and not braked before
	first time.Time     // of them
	ttl   time.Duration // the longest of all
}

func (c brakeCase) count() losses {
	n := losses{size: c.alive}
	for _, w := range c.lost {
		n.ttl = max(n.ttl, w.ttl)
	}
	window := max(c.policy.Window(), smear(n.ttl, c.alive+len(c.lost)))
	for _, w := range c.lost {
		within := c.now.Sub(w.since) <= window
		if w.idle && !within {
			continue
		}
		n.size++
		if within && !w.covered {
			n.fresh++
			n.first = sooner(n.first, w.since)
		}
	}
	return n
}

// next is the record that a step leads to; nil deletes it.
func (c brakeCase) next(step brakeStep) (next *berth.Brake, write bool) {
	switch {
	case step.clear:
		return nil, true
	case step.engage:
		next = &berth.Brake{State: berth.BrakeEngaged, Since: c.now.UTC(), BoundMS: c.policy.Bound().Milliseconds()}
	case step.release != "":
		copied := *c.brake
		next = &copied
		next.State, next.Why = berth.BrakeReleased, step.release
	default:
		return nil, false
	}
	c.fill(next)
	return next, true
}

// fill notes how large the loss is now.
func (c brakeCase) fill(b *berth.Brake) {
	b.Size = max(b.Size, int64(c.count().size))
	b.Lost, b.Held, b.At = max(0, b.Size-int64(c.alive)), c.held, c.now.UTC()
}

// pacePerSecond bounds how many containers of a pool all daemons together move
// in a second when a brake is released: as many as start on a handful of workers.
const pacePerSecond = 50

// paceDelay spreads what was held over held/pacePerSecond seconds by its id, so
// that daemons that know nothing of each other keep one pace.
func paceDelay(id berth.RequestID, held int64) time.Duration {
	whole := time.Duration(held) * time.Second / pacePerSecond
	h := fnv.New32a()
	h.Write([]byte(id))
	// FNV-1a leaves the high bits of short ids alike: they are mixed once more.
	mixed := uint64(h.Sum32()) * 0x9E3779B1 & 0xFFFFFFFF
	slots := max(int64(whole/time.Millisecond), 1)
	return time.Duration(int64(mixed)%slots) * time.Millisecond
}
