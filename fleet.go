package berth

import "time"

// Worker is the registration of a worker, put once per epoch under workers/<w>
// and bound to its lease.
type Worker struct {
	Header
	Pool       PoolID            `json:"pool"`
	Address    string            `json:"address,omitempty"` // host:port of its log service; https:// before it: TLS on loopback
	Capacity   Capacity          `json:"capacity"`
	Labels     map[string]string `json:"labels,omitempty"`
	Taints     []Taint           `json:"taints,omitempty"` // sorted
	Spot       bool              `json:"spot,omitempty"`   // somebody else may take it away at any time
	Lease      string            `json:"lease"`            // hexadecimal, as etcdctl prints it
	TTLSeconds int64             `json:"ttl_seconds"`
	KillMS     int64             `json:"kill_bound_ms"`      // after the lease's end, the last container is gone
	Enforces   []string          `json:"enforces,omitempty"` // limits really enforced: cpu, memory
	Images     bool              `json:"images,omitempty"`   // its runtime runs requests with an image
	Hostname   string            `json:"hostname,omitempty"`
	BootID     string            `json:"boot_id,omitempty"`
	// StateID names the agent's state directory for good. A newer epoch of the same
	// proves that nothing of an older one runs; one of another machine does not.
	StateID   string    `json:"state_id,omitempty"`
	Agent     string    `json:"agent"` // the agent's version
	StartedAt time.Time `json:"started_at"`
}

// Conditions is what changes while a worker lives, under conditions/<w>; leased,
// read by the planner, compared by nobody.
type Conditions struct {
	Header
	WarmImages []string          `json:"warm_images,omitempty"`
	WarmKeys   []string          `json:"warm_keys,omitempty"`
	Devices    map[string]string `json:"devices,omitempty"` // name: why it is unhealthy
	Pressure   []string          `json:"pressure,omitempty"`
}

// Ledger is the capacity record of one worker, under ledgers/<w>. It is not
// leased: a lease's end must not erase ownership.
type Ledger struct {
	Header
	Epoch    Epoch    `json:"epoch"` // that it was opened for
	Capacity Capacity `json:"capacity"`
	Count    int64    `json:"count"`    // of allocations under it
	Reserved Share    `json:"reserved"` // sum of their shares
	Held     Share    `json:"held"`     // sum of the claims
	Claims   []Claim  `json:"claims,omitempty"`

	// Of the registration it was opened for: when the worker is lost, its presence
	// key is gone, and these say how long what ran there may still run.
	Lease      string `json:"lease,omitempty"`
	TTLSeconds int64  `json:"ttl_seconds,omitempty"`
	KillMS     int64  `json:"kill_bound_ms,omitempty"`
	StateID    string `json:"state_id,omitempty"`
}

// Daemon is the membership of a daemon, under daemons/<d>; leased.
type Daemon struct {
	Header
	Address   string    `json:"address,omitempty"`
	Program   string    `json:"program"`    // version of the binary
	MaxSchema int64     `json:"max_schema"` // newest layout it supports
	StartedAt time.Time `json:"started_at"`
	TxnBase   string    `json:"txn_base,omitempty"` // its transactions' ids are this, "-" and a number
	Since     Revision  `json:"since,omitempty"`    // of its first registration, in all later ones
}

// Schema is the layout version of the keyspace, under schema.
type Schema struct {
	Header
	Layout   int64     `json:"layout"`
	Restored *Restored `json:"restored,omitempty"`
}

// Restored stands in the schema of a store that was restored from a backup: what
// the backup does not know of may still run, so a daemon places nothing until it
// has seen this for HoldMS by its own clock; the first that has removes it.
type Restored struct {
	At     time.Time `json:"at"`
	HoldMS int64     `json:"hold_ms"`
}

// Strategy is how a pool chooses among the workers that fit.
type Strategy string

// The strategies. Spread is the default.
const (
	StrategySpread  Strategy = "spread"
	StrategyBinpack Strategy = "binpack"
)

// checkStrategy names the field that has another word.
func checkStrategy(field string, s Strategy) error {
	if s != StrategySpread && s != StrategyBinpack {
		return &FieldError{Field: field, Value: clip(string(s)), Problem: "is unknown", Bound: "spread, binpack"}
	}
	return nil
}

// UnmarshalText rejects every word that is not a strategy.
func (s *Strategy) UnmarshalText(b []byte) error {
	return decodeWord(s, b, "strategy", []Strategy{StrategySpread, StrategyBinpack})
}

// Pool is an operator's settings of a pool, under pools/<p>. An absent record
// means StrategySpread.
type Pool struct {
	Header
	Strategy Strategy `json:"strategy"`
	Weights  Weights  `json:"weights,omitempty"`
	Shadow   *Shadow  `json:"shadow,omitempty"` // nil: none
	BrakePolicy
}

// Supply is workers asked for that have not arrived, under supply/<s>.
type Supply struct {
	Header
	Pool  PoolID    `json:"pool"`
	Count int64     `json:"count"`
	At    time.Time `json:"at"`
}
