package berth

// Kind is a family of keys of the keyspace.
type Kind string

// The kinds, each the first part of its keys.
const (
	KindSchema     Kind = "schema"
	KindWorker     Kind = "workers"
	KindConditions Kind = "conditions"
	KindIntent     Kind = "intents"
	KindLedger     Kind = "ledgers"
	KindRequest    Kind = "requests"
	KindState      Kind = "states"
	KindAllocation Kind = "allocations"
	KindGroup      Kind = "groups"
	KindHold       Kind = "holds"
	KindKeep       Kind = "keeps"
	KindArchive    Kind = "archive"
	KindDaemon     Kind = "daemons"
	KindPool       Kind = "pools"
	KindTenant     Kind = "tenants"
	KindQuotaBlock Kind = "quota_blocks" // tenants/<t>/<d>
	KindSupply     Kind = "supply"
	KindBrake      Kind = "brakes"
	KindPlan       Kind = "plan" // the key itself, as of the schema
)

// Key names one record. Owner is the worker of an allocation or the tenant of a
// quota block; ID is the last part. The keys schema and plan have neither.
type Key struct {
	Kind  Kind
	Owner string
	ID    string
}

// Fact is what one key held at a revision. Record is a pointer to the kind's
// record type (*Worker, *Allocation, *Submission, *Progress ...), or nil where
// the key is absent. Mod is the ModRevision; of an absent key, a revision at
// which it was absent (a delete's own, or that of the answer that said so).
type Fact struct {
	Key    Key
	Record any
	Create Revision
	Mod    Revision
	Size   int64 // bytes of the stored value
}

// Plan is one transaction's worth of decisions, with the revision of everything
// it was made from. A store applies all of it or nothing (invariants 1 to 5, 8).
type Plan struct {
	ID      TxnID
	Submits []Submit
	Ledgers []LedgerWrite
	Places  []Placement
	Basis   *PlanBasis // of Places
	Ends    []End
	Stops   []StopWrite
	Cancels []CancelPending
	Claims  []ClaimWrite
	Intents []IntentWrite
	Removes []Removal
	Groups  []GroupWrite
	Tenants []TenantWrite
	Blocks  []BlockWrite
	Keeps   []KeepWrite
	Guards  []Guard

	// Schema is the ModRevision of the schema that the plan was made under; 0: whichever
	// the store knows. A quota is set together with it: so a plan that was made before,
	// and counts nothing against it, does not apply.
	Schema Revision
}

// Submit puts a request. Content is its spec as JSON, as a store writes it, where that
// is made already; or nil.
type Submit struct {
	Submission
	Content []byte
}

// GroupWrite replaces the record of a group, or deletes it where Group is nil. With
// EndHold, the group's hold goes, too.
type GroupWrite struct {
	ID      GroupID
	Was     Revision
	Group   *Group
	EndHold bool
}

// TenantWrite replaces the record of a tenant, or deletes it where Tenant is nil.
type TenantWrite struct {
	ID     TenantID
	Was    Revision
	Tenant *Tenant
}

// BlockWrite replaces what a daemon has taken of a tenant's quotas, or deletes it where
// Block is nil. Was 0: it had taken nothing.
type BlockWrite struct {
	Tenant TenantID
	Daemon DaemonID
	Was    Revision
	Block  *QuotaBlock
}

// KeepWrite replaces what is kept of a pool for a group. Was 0: nothing is.
type KeepWrite struct {
	Pool PoolID
	Was  Revision
	Keep Keep
}

// Guard is a key that a plan does not change and yet depends on: it must be at
// that ModRevision, 0 for absent. A plan of guards alone is empty.
type Guard struct {
	Key Key
	Was Revision
}

// LedgerWrite replaces a worker's ledger. Was is the ModRevision it was made
// from, 0 for none. With Alive set, the worker's CreateRevision must be that epoch.
type LedgerWrite struct {
	Worker WorkerID
	Was    Revision
	Alive  Epoch
	Ledger Ledger
}

// Placement creates an allocation. Its worker's LedgerWrite is in the same plan,
// with Alive set. StateWas 0: never placed. RequestWas is the request's
// ModRevision: an id may be another request's after its archive record was purged.
// Where the same plan submits the request, it is not compared.
type Placement struct {
	Request    RequestID
	Worker     WorkerID
	RequestWas Revision
	StateWas   Revision
	State      Progress
	Allocation Allocation
}

// End deletes an allocation; its worker's LedgerWrite is in the same plan.
// Exactly one of Archive (the request is over: its request and state go) and
// Next (it is PENDING again) is set. With Gone set, the worker's CreateRevision
// must not be that epoch. RequestWas is as of a Placement.
type End struct {
	Request       RequestID
	Worker        WorkerID
	RequestWas    Revision
	AllocationWas Revision
	StateWas      Revision
	Gone          Epoch
	Archive       *Archive
	Next          *Progress
}

// StopWrite puts a stop order into an allocation.
type StopWrite struct {
	Request       RequestID
	Worker        WorkerID
	AllocationWas Revision
	Allocation    Allocation
}

// CancelPending archives a request that is not allocated. StateWas 0: never placed.
// RequestWas is as of a Placement.
type CancelPending struct {
	Request    RequestID
	RequestWas Revision
	StateWas   Revision
	Archive    Archive
}

// ClaimWrite puts the state of a pending request that gets a claim, or loses it; the
// claim itself is in the LedgerWrite of the same plan. StateWas 0: never placed.
// RequestWas is as of a Placement.
type ClaimWrite struct {
	Request    RequestID
	RequestWas Revision
	StateWas   Revision
	State      Progress
}

// IntentWrite replaces an intent that is there. What it was made from, Was, is
// compared: so a pace holds however many daemons keep it.
type IntentWrite struct {
	Worker WorkerID
	Was    Revision
	Intent Intent
}

// Removal deletes the ledger and the intent of a worker whose presence key is
// absent and under which nothing is left. A Was of 0: there is none.
type Removal struct {
	Worker    WorkerID
	LedgerWas Revision
	IntentWas Revision
}

// Empty says whether the plan changes nothing.
func (p *Plan) Empty() bool {
	return len(p.Submits)+len(p.Ledgers)+len(p.Places)+len(p.Ends)+len(p.Stops)+len(p.Cancels)+len(p.Intents)+len(p.Removes)+len(p.Groups)+len(p.Tenants)+len(p.Blocks)+len(p.Keeps)+len(p.Claims) == 0
}
