package invariant

import (
	"time"

	"github.com/go-json-experiment/json"
)

// The records, as docs/keyspace.md has them. A field without omitempty or
// omitzero must be there.

type header struct {
	Version int64  `json:"version"`
	Txn     string `json:"txn"`
}

func (h *header) version() int64 { return h.Version }

type schemaRecord struct {
	header
	Layout   int64     `json:"layout"`
	Restored *restored `json:"restored,omitempty"`
}

type restored struct {
	At     time.Time `json:"at"`
	HoldMS int64     `json:"hold_ms"`
}

type worker struct {
	header
	Pool       string            `json:"pool"`
	Address    string            `json:"address,omitempty"`
	Capacity   capacity          `json:"capacity"`
	Labels     map[string]string `json:"labels,omitempty"`
	Taints     []taint           `json:"taints,omitempty"`
	Spot       bool              `json:"spot,omitempty"`
	Lease      string            `json:"lease"`
	TTLSeconds int64             `json:"ttl_seconds"`
	KillMS     int64             `json:"kill_bound_ms"`
	Enforces   []string          `json:"enforces,omitempty"`
	Images     bool              `json:"images,omitempty"`
	Hostname   string            `json:"hostname,omitempty"`
	BootID     string            `json:"boot_id,omitempty"`
	StateID    string            `json:"state_id,omitempty"`
	Agent      string            `json:"agent"`
	StartedAt  time.Time         `json:"started_at"`
}

type conditions struct {
	header
	WarmImages []string          `json:"warm_images,omitempty"`
	WarmKeys   []string          `json:"warm_keys,omitempty"`
	Devices    map[string]string `json:"devices,omitempty"`
	Pressure   []string          `json:"pressure,omitempty"`
}

type intent struct {
	header
	Cordon  bool      `json:"cordon"`
	Drain   bool      `json:"drain,omitempty"`
	Remove  bool      `json:"remove,omitempty"`
	Dead    bool      `json:"dead,omitempty"`
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
	Taints  []taint   `json:"taints,omitempty"`

	Parallel   int64     `json:"parallel,omitempty"`
	PerMinute  int64     `json:"per_minute,omitempty"`
	Deadline   time.Time `json:"deadline,omitzero"`
	BegunWith  int64     `json:"begun_with,omitempty"`
	LastStopAt time.Time `json:"last_stop_at,omitzero"`
}

type ledger struct {
	header
	Epoch      int64    `json:"epoch"`
	Capacity   capacity `json:"capacity"`
	Count      int64    `json:"count"`
	Reserved   share    `json:"reserved"`
	Held       share    `json:"held"`
	Claims     []claim  `json:"claims,omitempty"`
	Lease      string   `json:"lease,omitempty"`
	TTLSeconds int64    `json:"ttl_seconds,omitempty"`
	KillMS     int64    `json:"kill_bound_ms,omitempty"`
	StateID    string   `json:"state_id,omitempty"`
}

type claim struct {
	Request string   `json:"request"`
	Attempt int64    `json:"attempt"`
	Share   share    `json:"share"`
	Wants   share    `json:"wants"`
	Victims []string `json:"victims,omitempty"`
	Counted *counted `json:"counted,omitempty"`
	Lent    bool     `json:"lent,omitempty"`
}

type counted struct {
	Tenant string `json:"tenant"`
	Pool   string `json:"pool"`
	Block  string `json:"block"`
}

type submission struct {
	header
	Digest      string    `json:"digest"`
	SubmittedAt time.Time `json:"submitted_at"`
	Planner     string    `json:"planner,omitempty"`
	Spec        spec      `json:"spec"`
}

// spec is a request, with the digest of the very bytes that it was stored as.
type spec struct {
	digest string
	request
}

// UnmarshalJSON takes the digest before the bytes are gone.
func (s *spec) UnmarshalJSON(b []byte) error {
	s.digest = digestOf(b)
	return json.Unmarshal(b, &s.request, strict)
}

type progress struct {
	header
	State     string    `json:"state"`
	Attempt   int64     `json:"attempt"`
	Used      int64     `json:"used_attempts"`
	Worker    string    `json:"worker,omitempty"`
	Epoch     int64     `json:"epoch,omitempty"`
	PlanID    string    `json:"plan_id,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Priority  *int32    `json:"priority_override,omitempty"`
	Avoid     []string  `json:"avoid,omitempty"`
	LastEnd   string    `json:"last_end,omitempty"`
	ClaimOn   string    `json:"claim_on,omitempty"`
}

type allocation struct {
	header
	State          string     `json:"state"`
	Attempt        int64      `json:"attempt"`
	Epoch          int64      `json:"epoch"`
	PlanID         string     `json:"plan_id"`
	Tenant         string     `json:"tenant"`
	Share          share      `json:"share"`
	QuotaBlock     string     `json:"quota_block,omitempty"`
	Group          string     `json:"group,omitempty"`
	GroupAttempt   int64      `json:"group_attempt,omitempty"`
	StartTimeoutMS int64      `json:"start_timeout_ms"`
	KeepMS         int64      `json:"on_disconnect_keep_ms,omitempty"`
	PlacedAt       time.Time  `json:"placed_at"`
	StartedAt      time.Time  `json:"started_at,omitzero"`
	Stop           *stopOrder `json:"stop,omitempty"`
	Exit           *exit      `json:"exit,omitempty"`
	Planned        basis      `json:"planned"`
}

type stopOrder struct {
	Reason     string    `json:"reason"`
	Deadline   time.Time `json:"deadline"`
	Message    string    `json:"message,omitempty"`
	ReplacedBy string    `json:"replaced_by,omitempty"`
}

type exit struct {
	Kind    string    `json:"kind"`
	Code    int64     `json:"code"`
	Signal  string    `json:"signal,omitempty"`
	OOM     bool      `json:"out_of_memory,omitempty"`
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
}

type basis struct {
	Revision int64            `json:"revision"`
	Clock    time.Time        `json:"clock"`
	Seed     uint64           `json:"seed"`
	Policy   string           `json:"policy"`
	Overlay  map[string]int64 `json:"overlay,omitempty"`
}

type planBasis struct {
	header
	Daemon   string           `json:"daemon"`
	Clock    time.Time        `json:"clock"`
	Revision int64            `json:"revision"`
	Policy   string           `json:"policy"`
	Partial  bool             `json:"partial,omitempty"`
	Group    *plannedGroup    `json:"group,omitempty"`
	Awake    []string         `json:"awake,omitempty"`
	Ledgers  []int64          `json:"ledgers,omitempty"`
	Overlay  map[string]int64 `json:"overlay,omitempty"`
	Seats    []plannedSeat    `json:"seats,omitempty"`
	Shares   []share          `json:"shares,omitempty"`
	Steps    []plannedStep    `json:"steps,omitempty"`
	Types    []plannedTypes   `json:"types,omitempty"`
	Room     []plannedRoom    `json:"room,omitempty"`
	Prices   []plannedPrices  `json:"prices,omitempty"`

	Relations []plannedRelation `json:"relations,omitempty"`
}

type plannedGroup struct {
	ID   string `json:"id"`
	From int64  `json:"from,omitempty"`
	Of   int64  `json:"of"`
	Need int64  `json:"need"`
	Kept bool   `json:"kept,omitempty"`

	Types [][]string       `json:"types,omitempty"`
	Left  map[string]int64 `json:"left,omitempty"`
}

type plannedTypes struct {
	Step  int64      `json:"step"`
	Types [][]string `json:"types"`
}

type plannedRoom struct {
	Request string `json:"request"`
	plannedLedger
	Nowhere *int64           `json:"nowhere,omitempty"`
	Overlay map[string]int64 `json:"overlay,omitempty"`
	Types   [][]string       `json:"types,omitempty"`
	Prices  *plannedPrices   `json:"prices,omitempty"`
	Beside  []plannedBeside  `json:"beside,omitempty"`

	Claim     bool              `json:"claim,omitempty"`
	Occupants []plannedOccupant `json:"occupants,omitempty"`
}

type plannedOccupant struct {
	Request  string `json:"r"`
	Priority int64  `json:"p,omitempty"`
	Members  int64  `json:"members,omitempty"`
	Leaving  bool   `json:"leaving,omitempty"`
	Chosen   bool   `json:"chosen,omitempty"`
}

type plannedBeside struct {
	Topology string       `json:"topology"`
	Requests requestLabel `json:"requests"`
	Here     int64        `json:"here,omitempty"`
	All      int64        `json:"all,omitempty"`
	Fewest   int64        `json:"fewest,omitempty"`
}

type plannedLedger struct {
	Reserved int64 `json:"reserved"`
	Held     int64 `json:"held"`
	Count    int64 `json:"count"`
}

type plannedSeat struct {
	Worker    string `json:"worker"`
	Unknown   bool   `json:"unknown,omitempty"`
	Opened    bool   `json:"opened,omitempty"`
	Foreign   *bool  `json:"foreign,omitempty"`
	Held      bool   `json:"held,omitempty"`
	Suspended bool   `json:"suspended,omitempty"`
	Probing   bool   `json:"probing,omitempty"`
	Starting  int64  `json:"starting,omitempty"`
}

type plannedStep struct {
	Worker string         `json:"w"`
	Share  int64          `json:"s,omitempty"`
	Free   bool           `json:"free,omitempty"`
	More   int64          `json:"n,omitempty"`
	Ledger *plannedLedger `json:"ledger,omitempty"`
	For    string         `json:"r,omitempty"`
}

type plannedPrices struct {
	Pool   string  `json:"pool"`
	From   int64   `json:"from,omitempty"`
	At     int64   `json:"at,omitempty"`
	Prices *prices `json:"prices,omitempty"`
}

type plannedRelation struct {
	Pool     string          `json:"pool"`
	Topology string          `json:"topology"`
	Requests requestLabel    `json:"requests"`
	Told     []plannedCounts `json:"told"`
}

type plannedCounts struct {
	From   int64            `json:"from,omitempty"`
	Counts map[string]int64 `json:"counts,omitempty"`
}

type prices struct {
	Asked   int64            `json:"asked"`
	Usual   []usualShape     `json:"usual,omitempty"`
	Groups  []groupsAsked    `json:"groups,omitempty"`
	Devices map[string]int64 `json:"devices,omitempty"`
}

type groupsAsked struct {
	Topology string `json:"topology,omitempty"`
	Weight   int64  `json:"weight"`
}

type usualShape struct {
	Types     []string `json:"types,omitempty"`
	Count     int64    `json:"count"`
	Milli     int64    `json:"milli"`
	CPU       int64    `json:"cpu_bucket"`
	Memory    int64    `json:"memory_bucket"`
	Weight    int64    `json:"weight"`
	CPUMilli  int64    `json:"cpu_milli_sum"`
	MemoryMiB int64    `json:"memory_mib_sum"`
}

type archive struct {
	header
	Digest      string    `json:"digest"`
	Spec        spec      `json:"spec"`
	State       string    `json:"state"`
	Reason      string    `json:"reason"`
	Message     string    `json:"message,omitempty"`
	Attempt     int64     `json:"attempt"`
	Worker      string    `json:"worker,omitempty"`
	Exit        *exit     `json:"exit,omitempty"`
	SubmittedAt time.Time `json:"submitted_at"`
	PlacedAt    time.Time `json:"placed_at,omitzero"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	EndedAt     time.Time `json:"ended_at"`
	ReplacedBy  string    `json:"replaced_by,omitempty"`
}

type group struct {
	header
	Size     int64     `json:"size"`
	MinCount int64     `json:"min_count"`
	Digest   string    `json:"digest"`
	Attempt  int64     `json:"attempt"`
	State    string    `json:"state"`
	Since    time.Time `json:"since"`
	Used     int64     `json:"used_attempts,omitempty"`
	Excused  int64     `json:"excused_attempts,omitempty"`
	Domain   string    `json:"domain,omitempty"`
	Link     string    `json:"link,omitempty"`
	Failed   int64     `json:"failed,omitempty"`
	LastEnd  string    `json:"last_end,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Message  string    `json:"message,omitempty"`
}

type hold struct {
	header
	Workers []string `json:"workers"`
}

type keep struct {
	header
	Group    string       `json:"group"`
	Since    time.Time    `json:"since"`
	Chosen   time.Time    `json:"chosen"`
	By       time.Time    `json:"by,omitzero"`
	MadeRoom time.Time    `json:"made_room_at,omitzero"`
	Workers  []keptWorker `json:"workers"`
	Beside   []keptBeside `json:"beside,omitempty"`
}

type keptBeside struct {
	Group   string       `json:"group"`
	Since   time.Time    `json:"since"`
	By      time.Time    `json:"by,omitzero"`
	Workers []keptWorker `json:"workers"`
}

type keptWorker struct {
	Worker string `json:"worker"`
	Share  share  `json:"share"`
}

type daemon struct {
	header
	Address   string    `json:"address,omitempty"`
	Program   string    `json:"program"`
	MaxSchema int64     `json:"max_schema"`
	StartedAt time.Time `json:"started_at"`
	TxnBase   string    `json:"txn_base,omitempty"`
	Since     int64     `json:"since,omitempty"`
}

type pool struct {
	header
	Strategy      string           `json:"strategy"`
	Weights       map[string]int64 `json:"weights,omitempty"`
	Shadow        *shadow          `json:"shadow,omitempty"`
	BrakePercent  int64            `json:"brake_percent,omitempty"`
	BrakeWorkers  int64            `json:"brake_workers,omitempty"`
	BrakeWindowMS int64            `json:"brake_window_ms,omitempty"`
	BrakeBoundMS  int64            `json:"brake_bound_ms,omitempty"`
}

type shadow struct {
	Strategy string           `json:"strategy,omitempty"`
	Weights  map[string]int64 `json:"weights,omitempty"`
}

type brake struct {
	header
	State   string    `json:"state"`
	Why     string    `json:"why,omitempty"`
	Size    int64     `json:"size"`
	Lost    int64     `json:"lost"`
	Held    int64     `json:"held"`
	Since   time.Time `json:"since"`
	At      time.Time `json:"at"`
	BoundMS int64     `json:"bound_ms"`
	Message string    `json:"message,omitempty"`
}

type tenant struct {
	header
	Weight int64            `json:"weight,omitempty"`
	Pools  map[string]quota `json:"pools"`
}

type quota struct {
	Limits map[string]int64 `json:"limits,omitempty"` // by dimension, as all amounts here
	Taken  map[string]int64 `json:"taken,omitempty"`
	Blocks int64            `json:"blocks,omitempty"`
	Short  []string         `json:"short,omitempty"`

	Guaranteed map[string]int64 `json:"guaranteed,omitempty"`
	Lent       loans            `json:"lent,omitempty"`
	Borrowed   loans            `json:"borrowed,omitempty"`
	Recalled   loans            `json:"recalled,omitempty"`

	Waits map[string]loanWait `json:"waits,omitempty"`

	Gathering map[string]gathering `json:"gathering,omitempty"`

	RecalledSince  map[string]time.Time `json:"recalled_since,omitempty"`
	ReclaimAfterMS *int64               `json:"reclaim_after_ms,omitempty"`
}

type loanWait struct {
	Since   int64  `json:"since"`
	Own     bool   `json:"own,omitempty"`
	Request string `json:"request,omitempty"`
}

type gathering struct {
	Group    string           `json:"group,omitempty"`
	Request  string           `json:"request,omitempty"`
	Priority int64            `json:"priority,omitempty"`
	Age      int64            `json:"age"`
	Need     map[string]int64 `json:"need"`
	Since    time.Time        `json:"since"`
}

type loans map[string]map[string]int64

type block struct {
	header
	Pools map[string]blockOf `json:"pools"`
}

type blockOf struct {
	Block map[string]int64 `json:"block,omitempty"`
	Used  map[string]int64 `json:"used,omitempty"`
}

type supply struct {
	header
	Pool  string    `json:"pool"`
	Count int64     `json:"count"`
	At    time.Time `json:"at"`
}
