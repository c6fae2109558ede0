package berth

import "time"

// RecordVersion is the version of every record's JSON that this program writes.
// A reader refuses a newer one.
const RecordVersion = 1

// Header begins every record.
type Header struct {
	Version int   `json:"version"`
	Txn     TxnID `json:"txn"` // the transaction that wrote this value: settles unknown outcomes
}

// Submission is the record of requests/<id>: written once, never rewritten.
type Submission struct {
	Header
	Digest      string    `json:"digest"`
	SubmittedAt time.Time `json:"submitted_at"`
	Planner     DaemonID  `json:"planner,omitempty"` // that the daemon which was asked left it to, unplaced
	Spec        Request   `json:"spec"`
}

// Progress is the record of states/<id>. Absent means pending, never placed.
type Progress struct {
	Header
	State     State      `json:"state"`                       // PENDING, or PLACED: the allocation knows more
	Attempt   int64      `json:"attempt"`                     // of the allocation, or of the next one
	Used      int64      `json:"used_attempts"`               // of the retry policy
	Worker    WorkerID   `json:"worker,omitempty"`            // PLACED only
	Epoch     Epoch      `json:"epoch,omitempty"`             // PLACED only
	PlanID    TxnID      `json:"plan_id,omitempty"`           // PLACED only
	NotBefore time.Time  `json:"not_before,omitzero"`         // PENDING: the backoff's end
	Priority  *int32     `json:"priority_override,omitempty"` // by an operator
	Avoid     []WorkerID `json:"avoid,omitempty"`             // where it failed to start, the latest last
	LastEnd   EndReason  `json:"last_end,omitempty"`          // why the former attempt ended
	ClaimOn   WorkerID   `json:"claim_on,omitempty"`          // PENDING: whose ledger has a claim for it
}

// Allocation is the record of allocations/<w>/<id>: one attempt of one request
// on one worker. The daemon creates and deletes it, the worker reports in it.
type Allocation struct {
	Header
	State   State    `json:"state"` // PLACED, STARTING, RUNNING, EXITED
	Attempt int64    `json:"attempt"`
	Epoch   Epoch    `json:"epoch"`
	PlanID  TxnID    `json:"plan_id"`
	Tenant  TenantID `json:"tenant"`
	Share   Share    `json:"share"`

	QuotaBlock   DaemonID `json:"quota_block,omitempty"` // tenants/<t>/<d> it is counted in
	Group        GroupID  `json:"group,omitempty"`
	GroupAttempt int64    `json:"group_attempt,omitempty"`

	StartTimeoutMS int64 `json:"start_timeout_ms"`
	KeepMS         int64 `json:"on_disconnect_keep_ms,omitempty"`

	PlacedAt  time.Time  `json:"placed_at"`
	StartedAt time.Time  `json:"started_at,omitzero"`
	Stop      *StopOrder `json:"stop,omitempty"`
	Exit      *Exit      `json:"exit,omitempty"` // EXITED only
	Planned   Basis      `json:"planned"`
}

// StopOrder tells a worker to end a container. The share stays held until the
// end is reported.
type StopOrder struct {
	Reason   StopReason `json:"reason"`
	Deadline time.Time  `json:"deadline"` // SIGKILL falls then at the latest
	Message  string     `json:"message,omitempty"`

	ReplacedBy RequestID `json:"replaced_by,omitempty"` // with StopDrain: the successor that runs; it is not to run again
}

// Exit is how an attempt ended.
type Exit struct {
	Kind    ExitKind  `json:"kind"`
	Code    int64     `json:"code"`                    // of exited; 128 + signal of signaled; see OwnFault
	Signal  string    `json:"signal,omitempty"`        // SIGKILL
	OOM     bool      `json:"out_of_memory,omitempty"` // killed above its memory limit
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
}

// Basis is what a placement was planned on: the watch's revision; the rest stands in the
// PlanBasis that was put by the same transaction. berth replay repeats the decision from both.
type Basis struct {
	Revision Revision            `json:"revision"`
	Clock    time.Time           `json:"clock"`
	Seed     uint64              `json:"seed"`
	Policy   string              `json:"policy"`            // the strategy and its version
	Overlay  map[string]Revision `json:"overlay,omitempty"` // key without prefix: ModRevision
}

// Archive is the final record of a request, under archive/<id>.
type Archive struct {
	Header
	Digest      string    `json:"digest"`
	Spec        Request   `json:"spec"`
	State       State     `json:"state"` // a final one
	Reason      EndReason `json:"reason"`
	Message     string    `json:"message,omitempty"`
	Attempt     int64     `json:"attempt"` // 0: never placed
	Worker      WorkerID  `json:"worker,omitempty"`
	Exit        *Exit     `json:"exit,omitempty"`
	SubmittedAt time.Time `json:"submitted_at"`
	PlacedAt    time.Time `json:"placed_at,omitzero"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	EndedAt     time.Time `json:"ended_at"`
	ReplacedBy  RequestID `json:"replaced_by,omitempty"` // with EndReplaced
}
