package berth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Request is one container that someone wants run. Durations are whole
// milliseconds; a zero that has a default is set by Normalize.
type Request struct {
	ID           RequestID         `json:"id"`
	Tenant       TenantID          `json:"tenant"`
	Pool         PoolID            `json:"pool"`
	Priority     int32             `json:"priority,omitempty"`   // higher is placed first
	Preemption   Preemption        `json:"preemption,omitempty"` // empty: never
	Command      []string          `json:"command"`
	Env          map[string]string `json:"env,omitempty"`
	Dir          string            `json:"dir,omitempty"`   // absolute; empty: the worker's choice
	User         string            `json:"user,omitempty"`  // name or uid[:gid]; empty: the agent's
	Image        string            `json:"image,omitempty"` // for OCI runtimes; the process runtime refuses it
	Resources    Demand            `json:"resources"`
	Constraints  []Constraint      `json:"constraints,omitempty"`
	Tolerations  []Toleration      `json:"tolerations,omitempty"`
	Affinity     []Affinity        `json:"affinity,omitempty"`
	AntiAffinity []Affinity        `json:"anti_affinity,omitempty"`
	Spread       []Spread          `json:"spread,omitempty"`
	AffinityKey  string            `json:"affinity_key,omitempty"` // equal keys meet warm workers; empty: the id
	Labels       map[string]string `json:"labels,omitempty"`
	Group        *Membership       `json:"group,omitempty"`
	Retry        RetryPolicy       `json:"retry"`

	StopTimeoutMS  int64 `json:"stop_timeout_ms"`            // between SIGTERM and SIGKILL
	StartTimeoutMS int64 `json:"start_timeout_ms"`           // PLACED longer than this is taken back
	RunLimitMS     int64 `json:"run_limit_ms,omitempty"`     // 0: none
	PendingLimitMS int64 `json:"pending_limit_ms,omitempty"` // 0: none; then EXPIRED
	KeepMS         int64 `json:"on_disconnect_keep_ms,omitempty"`

	OnDrain  OnDrain   `json:"on_drain,omitempty"` // empty: stop
	Replaces RequestID `json:"replaces,omitempty"` // set by a daemon, in a successor
}

// Membership makes a request a member of a group.
type Membership struct {
	ID       GroupID `json:"id"`
	Size     int64   `json:"size"`
	MinCount int64   `json:"min_count"`
	Topology string  `json:"topology,omitempty"` // the workers' label of which all get one value
	Linked   bool    `json:"linked,omitempty"`   // all devices of all of them are of one link domain
}

// Defaults that Normalize sets.
const (
	DefaultMaxAttempts    int64 = 3
	DefaultBackoffMS      int64 = 100
	DefaultStopTimeoutMS  int64 = 10_000
	DefaultStartTimeoutMS int64 = 10_000
	MaxBackoffMS          int64 = 60_000
)

// Normalize returns r with its defaults filled in. The id is left as it is.
func (r Request) Normalize() Request {
	setDefault(&r.Tenant, DefaultTenant)
	setDefault(&r.Pool, DefaultPool)
	r.Retry = r.Retry.normalize()
	setDefault(&r.StopTimeoutMS, DefaultStopTimeoutMS)
	setDefault(&r.StartTimeoutMS, DefaultStartTimeoutMS)
	r.Resources.Devices = normalizeDevices(r.Resources.Devices)
	r.Constraints, r.Tolerations = normalizeConstraints(r.Constraints), normalizeTolerations(r.Tolerations)
	r.Affinity, r.AntiAffinity, r.Spread = normalizeAffinity(r.Affinity), normalizeAffinity(r.AntiAffinity), normalizeSpread(r.Spread)
	if r.Group != nil {
		r.Group = r.Group.normalize(r.ID)
	}
	if r.Preemption == PreemptionNever {
		r.Preemption = "" // as with on_drain
	}
	if r.OnDrain == OnDrainStop {
		r.OnDrain = "" // one way to say it, so that equal requests have equal digests
	}
	return r
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Key is what affinity hashes: the affinity key, or the id.
func (r *Request) Key() string {
	if r.AffinityKey != "" {
		return r.AffinityKey
	}
	return string(r.ID)
}

// Digest is the SHA-256, in hexadecimal, of the request's JSON: two requests
// with one id are the same when their digests are. Call it on a normalized one.
func (r Request) Digest() (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("digest of request %s: %w", r.ID, err)
	}
	return DigestOf(b), nil
}

// DigestOf is the digest of a request by its JSON.
func DigestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
