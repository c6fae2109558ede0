package shim

import (
	"syscall"
	"time"
)

// Version of the words between agent and shim. Within a version fields and
// orders are only added, and unknown ones are ignored by both: so an agent that
// was upgraded talks to older shims. Whatever breaks that is a new version,
// and the agent goes on speaking the older one until no such shim lives.
const Version = 1

// Charge is what a shim is told to run. It comes on its standard input, a socket
// on which it answers: neither arguments nor files hold it, for the environment
// may hold secrets.
type Charge struct {
	Version int      `json:"version"`
	Path    string   `json:"path"`
	Args    []string `json:"args"` // from the zeroth on
	Env     []string `json:"env"`
	Dir     string   `json:"dir"`
	Account *Account `json:"account,omitempty"` // nil: as the shim
	Group   Group    `json:"group"`
	Output  Output   `json:"output"`
	// Deadline is of the lease that fenced the start. Keep is added to both its
	// moments, of later ones too, but not for the check before the start.
	Deadline Deadline      `json:"deadline"`
	Keep     time.Duration `json:"keep_ns"`
}

// Account is whom a container runs as.
type Account struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups"`
}

// Output is where a container's output goes.
type Output struct {
	Dir      string `json:"dir"`
	MaxBytes int64  `json:"max_bytes"`
	MaxFiles int    `json:"max_files"`
}

// Deadline is when a container ends unless its lease is kept alive, by
// CLOCK_BOOTTIME: asked to at Stop, killed at Kill. 0: never.
type Deadline struct {
	Stop time.Duration `json:"stop_ns"`
	Kill time.Duration `json:"kill_ns"`
}

// Orders of an agent.
const (
	OpRenew = "renew" // Deadline
	OpStop  = "stop"  // SIGTERM, once, to each process there is then; SIGKILL after Grace; Dismissed
	OpKill  = "kill"
)

// Order is a line from the agent.
type Order struct {
	Op       string        `json:"op"`
	Deadline Deadline      `json:"deadline,omitzero"`
	Grace    time.Duration `json:"grace_ns,omitzero"`
	// Dismissed is why, where the worker's agent wants it and not the request's
	// stop order. The first one told stands in the exit, for the agent may be killed
	// before. Shims of before it was added keep nothing of it.
	Dismissed string `json:"dismissed,omitempty"`
}

// Phase is how far a container has come.
type Phase string

// The phases.
const (
	PhaseStarting Phase = "starting"
	PhaseRunning  Phase = "running"
	PhaseEnded    Phase = "ended" // nothing of it is left
)

// State is a line from the shim: the first on each connection, and at each change.
type State struct {
	Version   int       `json:"version"`
	Phase     Phase     `json:"phase"`
	PID       int       `json:"pid,omitempty"`       // the container's first process
	StartedAt time.Time `json:"started_at,omitzero"` // running and ended
	Exit      *Exit     `json:"exit,omitempty"`      // ended only
	Steps     *Steps    `json:"steps,omitempty"`     // on the connection that brought the charge
}

// Steps are the moments of a start, by CLOCK_BOOTTIME: they tell where its time
// goes, and nothing is decided by them.
type Steps struct {
	Begun    time.Duration `json:"begun_ns"`    // the shim's own code runs
	Charged  time.Duration `json:"charged_ns"`  // it knows what to run
	Ready    time.Duration `json:"ready_ns"`    // all is there that the container needs
	Executed time.Duration `json:"executed_ns"` // the container is another program
}

// Exit is how a container ended.
type Exit struct {
	Version int            `json:"version"`
	Code    int            `json:"code"`             // of Failed: see FaultCode
	Signal  syscall.Signal `json:"signal,omitempty"` // by which it was killed; then Code is 0
	OOM     bool           `json:"out_of_memory,omitempty"`
	// Deadline: the shim ended it, since its lease was not kept alive.
	Deadline bool `json:"deadline,omitempty"`
	// Dismissed: an agent had it stopped for the worker's sake, and why.
	Dismissed string    `json:"dismissed,omitempty"`
	Message   string    `json:"message,omitempty"`
	At        time.Time `json:"at"`
	// Failed: it never ran. Errno is the kernel's reason, if it was the kernel;
	// Late: its deadline was too near.
	Failed bool          `json:"failed,omitempty"`
	Errno  syscall.Errno `json:"errno,omitempty"`
	Late   bool          `json:"late,omitempty"`
	// Unseen: whoever wrote this was not its shim; how it ended is not known.
	Unseen bool `json:"unseen,omitempty"`
}
