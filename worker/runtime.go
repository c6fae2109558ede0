package worker

import (
	"context"
	"errors"
	"time"

	"github.com/berthd/berth"
)

// Runtime runs containers. Its methods may be called concurrently.
type Runtime interface {
	// Start returns when the container runs. It calls spec.Check at the last
	// moment at which nothing has run yet, and fails with its error. ctx bounds
	// the start, not the container.
	Start(ctx context.Context, spec Spec) (Container, error)
	// Leftovers kills what a former agent left; all is gone when it returns nil.
	Leftovers(ctx context.Context) ([]string, error)
	// Enforces names the limits that really hold: cpu, memory.
	Enforces() []string
}

// Container is one started attempt.
type Container interface {
	// Done is closed by the runtime when nothing of the container is left.
	Done() <-chan struct{}
	// Exit is how it ended; only after Done.
	Exit() berth.Exit
	// Stop asks it to end, and kills it after grace. It returns at once, and may
	// be called again with a shorter grace.
	Stop(grace time.Duration)
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

	// Check says whether the start may still happen: it fails once the lease
	// that fenced it is so near its end that a container could outlive it.
	Check func() error
}

// Rejection is a start that the runtime refuses for what the request asks, not
// for a failure: it never ran, and may run on another worker.
type Rejection struct{ Problem string }

func (e *Rejection) Error() string { return e.Problem }

// ErrDeadline is returned by Spec.Check: the epoch that fenced the start is over.
var ErrDeadline = errors.New("the worker's lease is too near its end to start a container")
