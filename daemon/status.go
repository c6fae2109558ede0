package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// SubmitResult answers one request of a submission.
type SubmitResult struct {
	ID       berth.RequestID
	Status   Status
	Existing bool  // it was submitted before, with the same content
	Err      error // this one was refused; the others were not
}

// Status is a request as its user sees it, at Revision of the daemon's view.
type Status struct {
	ID           berth.RequestID
	State        berth.State
	Reason       berth.EndReason // of the end; of the former attempt's while PENDING
	Message      string
	Attempt      int64
	UsedAttempts int64
	Worker       berth.WorkerID
	Share        *berth.Share
	Exit         *berth.Exit
	Stop         *berth.StopOrder
	Spec         berth.Request
	SubmittedAt  time.Time
	PlacedAt     time.Time
	StartedAt    time.Time
	EndedAt      time.Time
	NotBefore    time.Time
	ExpiresAt    time.Time // of one that waits with a pending limit, unless it is placed before
	Blocked      bool
	Verdict      *berth.Verdict  // when blocked
	GroupWait    *GroupWait      // of a member of a group that waits; of Get and Explain alone
	ReplacedBy   berth.RequestID // runs in its place, or is about to, or was and has ended
	Replacement  berth.State     // that one's, while this one has not ended
	Lost         *Loss           // its worker is, and it may still run there
	Revision     berth.Revision
	Changed      berth.Revision // of the last change of its records
}

// Loss is of a worker that is gone: what may still run there is waited for.
type Loss struct {
	Since  time.Time
	Until  time.Time // it is placed elsewhere; zero: not known yet, for the worker's lease is not over
	Braked bool      // Until is the brake's
}

// Filter selects requests; the zero Filter selects all that have not ended.
type Filter struct {
	IDs      []berth.RequestID
	States   []berth.State
	Blocked  bool // those that no worker can take, beside those in States
	Replaced bool // those that a successor took the place of, beside those in States
	Labels   map[string]string
	Worker   berth.WorkerID
	Pool     berth.PoolID
	Group    berth.GroupID
	Tenant   berth.TenantID
	Ended    bool            // archived ones too
	After    berth.RequestID // page token: the last id of the page before
	Limit    int             // 0: DefaultPage
}

func (f *Filter) takesState(s *Status) bool {
	if len(f.States) == 0 && !f.Blocked && !f.Replaced {
		return true
	}
	return slices.Contains(f.States, s.State) || f.Blocked && s.Blocked || f.Replaced && s.Reason == berth.EndReplaced
}

// DefaultPage and MaxPage bound the answer of one List.
const (
	DefaultPage = 1000
	MaxPage     = 10_000
)

// Matches says whether the filter selects s, apart from paging.
func (f Filter) Matches(s *Status) bool {
	if len(f.IDs) > 0 && !slices.Contains(f.IDs, s.ID) {
		return false
	}
	if !f.takesState(s) {
		return false
	}
	if f.Worker != "" && f.Worker != s.Worker {
		return false
	}
	if f.Pool != "" && f.Pool != s.Spec.Pool {
		return false
	}
	if f.Tenant != "" && f.Tenant != s.Spec.Tenant {
		return false
	}
	if f.Group != "" && (s.Spec.Group == nil || f.Group != s.Spec.Group.ID) {
		return false
	}
	for k, v := range f.Labels {
		if have, ok := s.Spec.Labels[k]; !ok || have != v {
			return false
		}
	}
	return f.Ended || !s.State.Final() || len(f.IDs) > 0
}

// WorkerStatus is a worker as an operator sees it.
type WorkerStatus struct {
	ID             berth.WorkerID
	Epoch          berth.Epoch
	Pool           berth.PoolID
	WarmKeys       []string // affinity keys that are warm there, by its own word
	WarmImages     []string // images that are there, by the same
	State          string   // ready, opening, cordoned, draining, removing, suspended, lost
	Worker         berth.Worker
	Ledger         berth.Ledger
	Intent         berth.Intent
	StartFailures  int
	SuspendedUntil time.Time
	LostSince      time.Time
	BrakedUntil    time.Time // lost, and what may run there is held by its pool's brake; zero: no
	Count          int       // allocations
	Stopping       int       // of them, while it is emptied
	Replacing      int       // of them, then: they wait for their successors to run

	Unplaced []berth.RequestID // successors for which that waits, and which have no place: the first few, by id
}

// Explanation says where a request is and, when it waits, why.
type Explanation struct {
	Status  Status
	Verdict *berth.Verdict
	Nearest *berth.Miss  // of one that waits: the worker that lacks the least
	Since   time.Time    // of one that waits: it was submitted, or its last attempt ended
	Brake   *BrakeStatus // its worker is lost, and the pool's brake holds it
	Turn    *TurnStatus  // of one that waits: its tenant's
	Victims []Victim     // of one that has a claim: who is to end before it is placed
	Former  *Former      // of one that has not ended

	WouldPreempt bool // of one that waits for its quota: with more of it, others would make room for it

	Standings []berth.Standing // of one that was placed: the worker that was chosen, and the runner-up
	NotTold   string           // why these are not there
	MadeRoom  *MadeRoom        // for its group; nil: nobody did
	Past      *Past            // of ExplainAt
}

// Info is the daemon's own state.
type Info struct {
	Daemon    berth.DaemonID
	Version   string
	Revision  berth.Revision
	Requests  int // not ended
	Pending   int
	Blocked   int
	Running   int
	Archived  int
	Workers   int
	Space     etcdstore.Space
	Commits   int64
	Conflicts int64
	Layout    int64     // of the store
	HoldUntil time.Time // nothing is placed before, for the store was restored; zero: no

	Unreadable int // records that cannot be read: what they concern is left alone
}
