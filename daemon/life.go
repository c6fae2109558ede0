package daemon

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/berthd/berth"
)

// life is all that the view keeps of one request that has not ended: its request,
// its state and its allocation, packed. As records they would be five times as
// large, and there may be a million. Whoever asks gets records, made anew; what
// wrote them (Header, and a state's PlanID) is not kept, for nobody asks for it.
//
// A record that does not fit in here unchanged (what cannot be read, a second
// allocation, a time of another zone) is kept whole, beside: see view.whole.
type life struct {
	id     berth.RequestID
	whole  int16 // records of this id that are kept beside
	marked uint8 // what the load in progress has told of

	// Of the request; spec is nil without one.
	requestSize   uint32
	spec          *spec
	digest        [32]byte
	submitted     moment
	planner       unique.Handle[berth.DaemonID]
	requestCreate berth.Revision
	requestMod    berth.Revision

	// Of its state; stateIs is 0 without one.
	stateIs      stateCode
	digested     bool // the request has a digest
	stateAttempt int32
	stateUsed    int32
	stateMod     berth.Revision
	stateWorker  unique.Handle[berth.WorkerID] // with an epoch only
	stateEpoch   berth.Epoch
	waits        *waits // what only those have that wait for another attempt

	// Of its allocation; runs is 0 without one.
	runs     stateCode
	seenIs   stateCode // the allocation's, when it was looked at last
	seenNext bool      // and the one before it was looked at too
	timed    bool      // it has its startTimer
	due      uint8     // what of it is among the dueKeys
	attempt  int32
	seenAt   time.Duration // since loop.began
	mod      berth.Revision
	worker   unique.Handle[berth.WorkerID]
	epoch    berth.Epoch
	terms    *terms
	planBase unique.Handle[string]
	planNo   uint64
	planned  berth.Revision
	clock    moment
	placed   moment
	started  moment
	stop     *berth.StopOrder
	exit     *berth.Exit
}

// waits is of a state: what most never have.
type waits struct {
	notBefore time.Time
	priority  *int32
	avoid     []berth.WorkerID
	lastEnd   berth.EndReason
	claimOn   berth.WorkerID
}

// stateCode is a berth.State in a byte; 0 is none.
type stateCode uint8

// states are the words of those that a state or an allocation is in, by code.
var states = [...]berth.State{"", berth.StatePending, berth.StatePlaced, berth.StateStarting, berth.StateRunning, berth.StateExited}

const pendingCode stateCode = 1

func codeOf(s berth.State) stateCode {
	for c := 1; c < len(states); c++ {
		if states[c] == s {
			return stateCode(c)
		}
	}
	return 0
}

func (c stateCode) state() berth.State { return states[c] }

// empty says whether nothing is known of the request.
func (x *life) empty() bool { return x.spec == nil && x.stateIs == 0 && x.runs == 0 && x.whole == 0 }

// handleOf is unique.Make, which is asked only for what is another than was.
func handleOf[T comparable](was unique.Handle[T], v T) unique.Handle[T] {
	if was != (unique.Handle[T]{}) && was.Value() == v {
		return was
	}
	return unique.Make(v)
}

func small(n int64) bool { return n >= 0 && n <= math.MaxInt32 }

// packRequest says whether the record fits in here, and keeps it when it does.
func (x *life) packRequest(f *berth.Fact, s *berth.Submission, all *specs) bool {
	submitted, ok := momentOf(s.SubmittedAt)
	var digest [32]byte
	if s.Digest != "" {
		var text [2 * len(digest)]byte
		copy(text[:], s.Digest)
		_, err := hex.Decode(digest[:], text[:])
		hex.Encode(text[:], digest[:])
		ok = ok && err == nil && string(text[:]) == s.Digest
	}
	if !ok || s.Spec.ID != x.id || f.Size > math.MaxUint32 {
		return false
	}
	x.digest, x.digested, x.submitted, x.planner = digest, s.Digest != "", submitted, unique.Make(s.Planner)
	x.requestCreate, x.requestMod, x.requestSize = f.Create, f.Mod, uint32(max(0, f.Size))
	x.spec = all.take(&s.Spec)
	return true
}

// submission makes the record, or nil.
func (x *life) submission() *berth.Submission {
	if x.spec == nil {
		return nil
	}
	s := &berth.Submission{SubmittedAt: x.submitted.time(), Planner: x.planner.Value(), Spec: x.spec.request}
	s.Spec.ID = x.id
	if x.digested {
		s.Digest = hex.EncodeToString(x.digest[:])
	}
	return s
}

// packState is packRequest of the state.
func (x *life) packState(f *berth.Fact, p *berth.Progress) bool {
	code := codeOf(p.State)
	if code == 0 || !small(p.Attempt) || !small(p.Used) || (p.Worker == "") != (p.Epoch == 0) {
		return false
	}
	x.stateIs, x.stateMod = code, f.Mod
	x.stateAttempt, x.stateUsed = int32(p.Attempt), int32(p.Used)
	if x.stateEpoch = p.Epoch; p.Epoch != 0 {
		x.stateWorker = handleOf(x.worker, p.Worker)
	}
	x.waits = nil
	if !p.NotBefore.IsZero() || p.Priority != nil || p.Avoid != nil || p.LastEnd != "" || p.ClaimOn != "" {
		x.waits = &waits{notBefore: p.NotBefore, priority: p.Priority, avoid: p.Avoid, lastEnd: p.LastEnd, claimOn: p.ClaimOn}
	}
	return true
}

// progress makes the record, or nil.
func (x *life) progress() *berth.Progress {
	if x.stateIs == 0 {
		return nil
	}
	p := &berth.Progress{State: x.stateIs.state(), Attempt: int64(x.stateAttempt), Used: int64(x.stateUsed), Epoch: x.stateEpoch}
	if x.stateEpoch != 0 {
		p.Worker = x.stateWorker.Value()
	}
	if w := x.waits; w != nil {
		p.NotBefore, p.Priority, p.Avoid, p.LastEnd, p.ClaimOn = w.notBefore, w.priority, w.avoid, w.lastEnd, w.claimOn
	}
	return p
}

// packAllocation is packRequest of the allocation. The caller has seen that no
// other is here.
func (x *life) packAllocation(f *berth.Fact, a *berth.Allocation) bool {
	code := codeOf(a.State)
	base, no, numbered := planOf(a.PlanID)
	placed, ok1 := momentOf(a.PlacedAt)
	started, ok2 := momentOf(a.StartedAt)
	clock, ok3 := momentOf(a.Planned.Clock)
	if code == 0 || !numbered || !ok1 || !ok2 || !ok3 || !small(a.Attempt) || len(a.Planned.Overlay) > 0 {
		return false
	}
	x.terms = x.termsOf(a)
	x.runs, x.mod, x.worker, x.epoch, x.attempt = code, f.Mod, handleOf(x.worker, berth.WorkerID(f.Key.Owner)), a.Epoch, int32(a.Attempt)
	x.planBase, x.planNo, x.planned, x.clock = handleOf(x.planBase, base), no, a.Planned.Revision, clock
	x.placed, x.started, x.stop, x.exit, x.timed = placed, started, a.Stop, a.Exit, false
	return true
}

// planOf takes apart what etcdstore makes ids of: a base, "-", a letter, and a number
// in digits and letters. No id is base "" and number 0.
func planOf(id berth.TxnID) (base string, no uint64, ok bool) {
	if id == "" {
		return "", 0, true
	}
	i := strings.LastIndexByte(string(id), '-') + 2
	if i < 3 || i >= len(id) {
		return "", 0, false
	}
	no, err := strconv.ParseUint(string(id[i:]), 36, 64)
	return string(id[:i]), no, err == nil && strconv.FormatUint(no, 36) == string(id[i:])
}

// allocation makes the record, or nil.
func (x *life) allocation() *berth.Allocation {
	if x.runs == 0 {
		return nil
	}
	t := x.terms
	a := &berth.Allocation{
		State: x.runs.state(), Attempt: int64(x.attempt), Epoch: x.epoch, Tenant: t.tenant, Share: t.share,
		QuotaBlock: t.quotaBlock, Group: t.group, GroupAttempt: t.groupAttempt,
		StartTimeoutMS: t.startTimeoutMS, KeepMS: t.keepMS,
		PlacedAt: x.placed.time(), StartedAt: x.started.time(), Stop: x.stop, Exit: x.exit,
		Planned: berth.Basis{Revision: x.planned, Clock: x.clock.time(), Seed: t.seed, Policy: t.policy},
	}
	if base := x.planBase.Value(); base != "" {
		a.PlanID = berth.TxnID(base + strconv.FormatUint(x.planNo, 36))
	}
	return a
}

func (x *life) forgetRequest(all *specs) {
	if x.spec != nil {
		all.drop(x.spec)
		x.spec, x.requestMod, x.requestCreate, x.requestSize = nil, 0, 0, 0
		x.marked &^= markedRequest
	}
}

func (x *life) forgetState() {
	x.stateIs, x.stateMod, x.waits = 0, 0, nil
	x.marked &^= markedState
}

func (x *life) forgetAllocation() {
	x.runs, x.mod, x.terms, x.stop, x.exit = 0, 0, nil, nil, nil
	x.marked &^= markedAllocation
}
