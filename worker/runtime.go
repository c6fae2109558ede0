package worker

import (
	"context"
	"errors"
	"time"

	"github.com/berthd/berth"
)

// Runtime runs containers. Its methods may be called concurrently.
type Runtime interface {
	// Start returns when the container runs. It records the start, once for ever
	// for a request's attempt: a second one is ErrStartedBefore. It calls spec.Check
	// at the last moment at which nothing has run yet, and fails with its error, and
	// with a *RequestFault where the request names what is not there or cannot be used;
	// what then runs looks at spec.Deadline itself, and ends at it by itself. ctx
	// bounds the start, not the container. One that ended at its deadline exits as
	// berth.ExitDeadline.
	Start(ctx context.Context, spec Spec) (Container, error)
	// Renew moves the deadline of an epoch's containers; never back.
	Renew(epoch berth.Epoch, d Deadline)
	// Adopt finds the containers that a former agent left, running or ended, in
	// the order of their requests and attempts. What it cannot account for has ended as
	// ExitMayHaveRun, and nothing of it is left.
	Adopt(ctx context.Context) ([]Adopted, error)
	// Forget removes what is kept of an attempt that has ended and whose end is
	// in the store, or whose allocation is gone.
	Forget(id berth.RequestID, attempt int64)
	// Leftovers kills what a former agent left; all is gone when it returns nil.
	Leftovers(ctx context.Context) ([]string, error)
	// Enforces names the limits that really hold: cpu, memory.
	Enforces() []string
	// TakesImages says whether it runs requests with an image; else it refuses them.
	TakesImages() bool
}

// Deadline is when containers end unless their lease is kept alive, by the Clock:
// asked to end at Stop, killed at Kill.
type Deadline struct{ Stop, Kill time.Duration }

// Adopted is a container that a former agent has started.
type Adopted struct {
	Request     berth.RequestID
	Attempt     int64
	Epoch       berth.Epoch
	StartedAt   time.Time
	StopTimeout time.Duration
	Keep        time.Duration
	Container   Container
}

// Container is one started attempt.
type Container interface {
	// Done is closed by the runtime when nothing of the container is left.
	Done() <-chan struct{}
	// Exit is how it ended, and what Stop was first told of why it is dismissed, by
	// this agent or a former one; only after Done.
	Exit() (exit berth.Exit, dismissed string)
	// Stop asks it to end, and kills it after grace. It returns at once, and may
	// be called again with a shorter grace. dismissed is why, where that is the
	// worker's matter and not the request's, which is to run elsewhere; else empty.
	// It is kept with the container: the agent may be killed before the end.
	Stop(grace time.Duration, dismissed string)
	// Kill ends it now. It returns at once.
	Kill()
}

// Spec is what a runtime starts: one attempt, with everything that the
// placement settled.
type Spec struct {
	Request     berth.RequestID
	Attempt     int64
	Worker      berth.WorkerID
	Epoch       berth.Epoch
	Command     []string
	Env         map[string]string // the request's, and the BERTH_ variables
	Dir         string
	User        string
	Image       string
	CPUMilli    int64
	MemoryBytes int64
	StopTimeout time.Duration
	// Deadline is of the lease that fenced the start; Keep is how much longer the
	// request lets its container run when the lease is not kept alive.
	Deadline Deadline
	Keep     time.Duration

	// Check says whether the start may still happen: it fails once the lease
	// that fenced it is so near its end that a container could outlive it.
	Check func() error
}

// Rejection is a start that the runtime refuses for what the request asks, not
// for a failure: it never ran, and may run on another worker.
type Rejection struct{ Problem string }

func (e *Rejection) Error() string { return e.Problem }

// RequestFault is a start that failed for what the request names, which is not there or cannot
// be used: it never ran, and the machine may be as it should. Code is that of the exit.
type RequestFault struct {
	Code int64 // berth.CodeNotFound or berth.CodeCannotRun
	Err  error
}

func (e *RequestFault) Error() string { return e.Err.Error() }

// Unwrap is why.
func (e *RequestFault) Unwrap() error { return e.Err }

// ErrStartedBefore is returned by Runtime.Start: the attempt was started before,
// and may have run.
var ErrStartedBefore = errors.New("this attempt was started before")

// ErrDeadline is returned by Spec.Check: the epoch that fenced the start is over.
var ErrDeadline = errors.New("the worker's lease is too near its end to start a container")
