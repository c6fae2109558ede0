package robustness

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// FaultKind names what goes wrong.
type FaultKind string

// The kinds of faults. The first group springs at one call of an actor, the
// second lasts for a time, of which a call may be the beginning, the third
// happens to a process or machine.
const (
	FaultRequestLost FaultKind = "request lost"
	FaultRequestLate FaultKind = "request late" // it applies long after its sender gave up
	FaultAnswerLost  FaultKind = "answer lost"  // after it was applied
	FaultDuplicate   FaultKind = "duplicate"    // applied again later
	FaultCrashBefore FaultKind = "crash before"
	FaultCrashAfter  FaultKind = "crash after" // applied, and no answer
	FaultPauseBefore FaultKind = "pause before"

	FaultCut      FaultKind = "cut off"   // one actor
	FaultAway     FaultKind = "etcd away" // for all
	FaultNoLeader FaultKind = "no leader"

	FaultBehind         FaultKind = "member behind" // it answers from what it has applied by now
	FaultWatchHeld      FaultKind = "watch held"
	FaultWatchCompacted FaultKind = "watch compacted"
	FaultLeaseEnded     FaultKind = "keepalives lost"
	FaultLeader         FaultKind = "leader change"
	FaultNoSpace        FaultKind = "no space"
	FaultPause          FaultKind = "pause"
	FaultCrash          FaultKind = "crash"
	FaultStop           FaultKind = "orderly stop"
	FaultReboot         FaultKind = "reboot"
	FaultClock          FaultKind = "clock set"
	FaultDaemons        FaultKind = "all daemons killed"
)

// metKinds are those that meet calls.
var metKinds = slices.Concat(springKinds, lastingKinds)

// springKinds are those that spring at a call: each is to meet each kind of call.
var springKinds = []FaultKind{
	FaultRequestLost, FaultRequestLate, FaultAnswerLost, FaultDuplicate,
	FaultCrashBefore, FaultCrashAfter, FaultPauseBefore,
}

// lastingKinds are those under which calls come to nothing for a time.
var lastingKinds = []FaultKind{FaultCut, FaultAway, FaultNoLeader}

var otherKinds = []FaultKind{
	FaultBehind,
	FaultWatchHeld, FaultWatchCompacted, FaultLeaseEnded, FaultLeader, FaultNoSpace,
	FaultPause, FaultCrash, FaultStop, FaultReboot, FaultClock,
}

// Fault is one fault of a plan.
type Fault struct {
	Kind  FaultKind
	At    time.Duration
	Actor string
	Call  string        // springs at the next call of this kind; "": at any
	Lasts time.Duration // or: how late
}

func (f Fault) String() string {
	return fmt.Sprintf("%s of %s at %s for %s %s", f.Kind, f.Actor, f.At.Round(time.Millisecond), f.Lasts.Round(time.Millisecond), f.Call)
}

// callsOf are the kinds of calls that daemons and agents make.
var (
	callsOfDaemons = []string{"submit", "place", "stop", "end", "end lost", "cancel", "open", "join", "intent", "quota", "take", "purge", "grant", "keepalive", "read"}
	callsOfAgents  = []string{"start", "report", "register", "grant", "keepalive", "revoke", "read"}
)

// drawFaults draws the faults of a plan, between a beginning and the end.
func drawFaults(rng *rand.Rand, p *Plan) []Fault {
	var faults []Fault
	moment := func() time.Duration {
		return 10*time.Second + time.Duration(rng.Int64N(int64(p.FaultsUntil-15*time.Second)))
	}
	lasts := func(most time.Duration) time.Duration {
		return 50*time.Millisecond + time.Duration(rng.Int64N(int64(most)))
	}
	daemon := func() string { return p.Daemons[rng.IntN(len(p.Daemons))] }
	agent := func() string { return p.Workers[rng.IntN(len(p.Workers))] }
	anyone := func() string {
		if rng.IntN(3) == 0 {
			return daemon()
		}
		return agent()
	}
	at := func(kind FaultKind, most time.Duration) Fault {
		f := Fault{Kind: kind, At: moment(), Lasts: lasts(most)}
		if rng.IntN(2) == 0 {
			f.Actor, f.Call = daemon(), callsOfDaemons[rng.IntN(len(callsOfDaemons))]
		} else {
			f.Actor, f.Call = agent(), callsOfAgents[rng.IntN(len(callsOfAgents))]
		}
		return f
	}
	for range 16 + rng.IntN(16) {
		faults = append(faults, at(springKinds[rng.IntN(len(springKinds))], 25*time.Second))
	}
	for range 2 + rng.IntN(3) {
		f := at(FaultCut, 40*time.Second)
		if rng.IntN(2) == 0 {
			f.Actor, f.Call = anyone(), ""
		}
		faults = append(faults, f)
	}
	for range 5 + rng.IntN(8) {
		f := Fault{Kind: otherKinds[rng.IntN(len(otherKinds))], At: moment(), Actor: anyone(), Lasts: lasts(40 * time.Second)}
		if f.Kind == FaultReboot || f.Kind == FaultLeaseEnded && rng.IntN(2) == 0 {
			f.Actor = agent()
		}
		faults = append(faults, f)
	}
	if rng.IntN(2) == 0 {
		faults = append(faults, at(FaultNoLeader, 20*time.Second))
	}
	if rng.IntN(2) == 0 {
		most := time.Minute
		if rng.IntN(8) == 0 {
			most = 10 * time.Minute
		}
		faults = append(faults, at(FaultAway, most))
	}
	return faults
}

// pairs is how many kinds of faults at kinds of calls there are.
var pairs = len(metKinds) * len(callKinds)

// drawPair draws the faults by which a seed makes sure that one kind of fault
// meets one kind of call: as many seeds as there are pairs have them all.
// Whoever makes such calls waits for one with that fault, early; where such a
// call needs an occasion, the occasion comes later.
func drawPair(rng *rand.Rand, p *Plan) []Fault {
	at := int(p.Seed % uint64(pairs)) //nolint:gosec // below pairs
	kind, call := metKinds[at/len(callKinds)], callKinds[at%len(callKinds)]
	var faults []Fault
	arm := func(actor string) {
		faults = append(faults, Fault{
			Kind: kind, Actor: actor, Call: call,
			At:    time.Duration(rng.Int64N(int64(time.Second))), // no actor has begun for long
			Lasts: between(rng, 50*time.Millisecond, 20*time.Second),
		})
	}
	occasion := func(kind FaultKind, actor string, lasts time.Duration) {
		faults = append(faults, Fault{Kind: kind, Actor: actor, At: between(rng, time.Minute, 5*time.Minute), Lasts: lasts})
	}
	agent := p.Workers[rng.IntN(len(p.Workers))]
	if slices.Contains(callsOfAgents, call) {
		arm(agent)
	}
	if slices.Contains(callsOfDaemons, call) {
		for _, d := range p.Daemons { // any of them may be the one
			arm(d)
		}
	}
	switch call {
	case "register", "revoke", "grant":
		occasion(FaultStop, agent, 2*time.Second)
	case "join":
		occasion(FaultStop, p.Daemons[0], 2*time.Second)
	case "end lost":
		for range 3 {
			occasion(FaultReboot, p.Workers[rng.IntN(len(p.Workers))], 3*p.TTL)
		}
	case "purge":
		p.Retention = 2 * time.Minute
	}
	return faults
}

// trap is a fault that waits for a call.
type trap struct {
	kind  FaultKind
	call  string
	lasts time.Duration
}

type springAt int

const (
	atLeave  springAt = iota // before the request is sent
	onTheWay                 // before it reaches the store
	atReach                  // when it reaches it
)

func (t *trap) at() springAt {
	switch {
	case t.kind == FaultCrashBefore, t.kind == FaultPauseBefore:
		return atLeave
	case slices.Contains(lastingKinds, t.kind):
		return onTheWay
	}
	return atReach
}

// spring takes the traps that a call of an actor springs, one at most.
func (n *network) spring(actor string, at springAt, kinds []string) []*trap {
	list := n.armed[actor]
	for i, t := range list {
		if t.at() != at || t.call != "" && !slices.Contains(kinds, t.call) {
			continue
		}
		n.armed[actor] = append(append([]*trap{}, list[:i]...), list[i+1:]...)
		return []*trap{t}
	}
	return nil
}

// begin makes a fault happen now.
func (w *world) begin(f Fault) {
	if w.stopped {
		return
	}
	w.tally.Faults[f.Kind]++
	w.note("fault", f.String())
	a := w.actor(f.Actor)
	switch f.Kind {
	case FaultRequestLost, FaultRequestLate, FaultAnswerLost, FaultDuplicate, FaultCrashBefore, FaultCrashAfter, FaultPauseBefore:
		w.net.armed[f.Actor] = append(w.net.armed[f.Actor], &trap{f.Kind, f.Call, f.Lasts})
	case FaultCut, FaultAway, FaultNoLeader:
		if f.Call != "" {
			w.net.armed[f.Actor] = append(w.net.armed[f.Actor], &trap{f.Kind, f.Call, f.Lasts})
			return
		}
		w.outage(f.Kind, f.Actor, f.Lasts)
	case FaultBehind:
		w.fallBehind(f.Actor, f.Lasts)
	case FaultWatchHeld, FaultWatchCompacted:
		w.holdWatch(f.Actor, f.Lasts, f.Kind == FaultWatchCompacted)
	case FaultLeader:
		w.store.Advance(w.now())
		w.store.NewLeader()
	case FaultNoSpace:
		w.fill(f.Lasts)
	case FaultLeaseEnded:
		w.mute(f.Actor, f.Lasts)
	case FaultPause:
		p := a.process
		p.pause()
		w.after(f.Lasts, nil, p.resume)
	case FaultCrash:
		a.process.crash(f.Lasts / 2)
	case FaultStop:
		a.stopInOrder(f.Lasts / 2)
	case FaultDaemons:
		for _, d := range w.plan.Daemons {
			w.actor(d).process.crash(f.Lasts)
		}
	case FaultReboot:
		a.on.reboot()
		a.restartIn(f.Lasts)
	case FaultClock:
		a.on.skew.Store(w.rng.Int64N(21) - 10)
	}
}
