package berth

import "fmt"

// ReasonCode says which filter rejected workers.
type ReasonCode string

// The codes. Want, Best and Total of a Reason are in the unit of the resource.
const (
	ReasonNoWorker     ReasonCode = "no_worker" // the pool has none
	ReasonPool         ReasonCode = "pool"      // of another pool
	ReasonNotReady     ReasonCode = "not_ready" // its ledger is not open for its epoch yet
	ReasonRemoving     ReasonCode = "removing"  // by an operator, whose message is Detail, as of the next two
	ReasonDraining     ReasonCode = "draining"
	ReasonCordoned     ReasonCode = "cordoned"
	ReasonSuspended    ReasonCode = "suspended"     // its starts fail in a row
	ReasonImage        ReasonCode = "image"         // its runtime takes none
	ReasonConstraint   ReasonCode = "constraint"    // labels
	ReasonTaint        ReasonCode = "taint"         // that the request does not tolerate; Total of them would take it without, which an operator has given them
	ReasonAffinity     ReasonCode = "affinity"      // other requests are not there; Detail is which, as of the next two
	ReasonAntiAffinity ReasonCode = "anti_affinity" // they are; of a group that never fits for it: of the Want domains that it needs, Total could have a member
	ReasonSpread       ReasonCode = "spread"        // too many of them are, compared with elsewhere
	ReasonTopology     ReasonCode = "topology"      // of affinity, spread and groups: it has no label Detail, and is in no domain; Total of its pool's workers have it
	ReasonCPU          ReasonCode = "cpu_milli"
	ReasonMemory       ReasonCode = "memory_bytes"
	ReasonDisk         ReasonCode = "disk_bytes"
	ReasonCustom       ReasonCode = "custom"
	ReasonPorts        ReasonCode = "ports"
	ReasonDevices      ReasonCode = "devices"
	ReasonDeviceMilli  ReasonCode = "device_milli"        // of one device, a part of which is asked for: Best is free on the one with most room
	ReasonDeviceMemory ReasonCode = "device_memory_bytes" // of each device, as a whole: the largest of those that would do has Best
	ReasonGroup        ReasonCode = "group"               // no filter: of the Want members that its group must place, Best fit, of Total that wait
	ReasonElsewhere    ReasonCode = "elsewhere"           // not in Detail, as rack b, where the members of its group are, or come nearest to being
	ReasonLink         ReasonCode = "link"                // no filter: of the Want devices that its linked group needs, the best link domain has Best free, of Total
	ReasonHeld         ReasonCode = "held"                // for a moment, for a group
	ReasonKept         ReasonCode = "kept"                // for group Detail, which waits
	ReasonClaim        ReasonCode = "claim"               // no filter: Want others are to end on worker Detail, to make room for it; for a group, on so many Workers
	ReasonQuota        ReasonCode = "quota"               // no filter: of the Want of dimension Detail, its tenant has Best left of Total in the pool
	ReasonPreemption   ReasonCode = "preemption"          // no filter: nobody can make room for it, and Detail is why
	ReasonRestored     ReasonCode = "restored"            // no filter: nothing is placed until Detail, for the store was restored
)

// Reason is why some workers cannot take a request: Workers of them were
// rejected by the filter Code, the best of them had Best free of the Want that
// is asked for, and Total in all.
//
// Members of a group may get devices of several types. Of such a type that their quota has too little of, Want is how much of it would do beside
// what there is of the others, and Ever how many members have enough then: with what is wanted of the types told before it, too, where Ever
// grows from one to the next, for then one alone would not do; where it stays, each alone would.
type Reason struct {
	Code    ReasonCode  `json:"code"`
	Detail  string      `json:"detail,omitempty"` // name of the custom resource, constraint, taint, port or device type
	Workers int         `json:"workers"`
	Some    []WorkerID  `json:"some,omitempty"` // the first few of them, by id
	Want    int64       `json:"want,omitempty"`
	Best    int64       `json:"best,omitempty"`
	Total   int64       `json:"total,omitempty"`   // the largest such capacity of the rejected workers
	Tenants []TenantID  `json:"tenants,omitempty"` // of a quota: those who are to give back what they have borrowed of it
	Stands  *QuotaStand `json:"stands,omitempty"`  // of a quota, where that was asked for
	Ever    int64       `json:"ever,omitempty"`    // of a group that could never be placed: so many of its members would fit, were all workers empty (where it is its quota that never has room, and they could take it: Want); of a quota of one of several types of devices: see above
	Near    string      `json:"near,omitempty"`    // of a group whose members must be together: where it comes nearest to that, as rack b
	There   int64       `json:"there,omitempty"`   // so many of them fit there
	Pools   []PoolID    `json:"pools,omitempty"`   // of a pool without workers: the first few that have some, by id
}

func (r Reason) String() string {
	name := string(r.Code)
	if r.Detail != "" {
		name += " " + r.Detail
	}
	if r.Want == 0 {
		return fmt.Sprintf("%d workers: %s", r.Workers, name)
	}
	if r.Near != "" {
		name += fmt.Sprintf(" (nearest is %s, with %d)", r.Near, r.There)
	}
	return fmt.Sprintf("%d workers: %s: want %d, best has %d free of %d", r.Workers, name, r.Want, r.Best, r.Total)
}

// Miss is a worker that does not take a request now, and all that stands in its way
// there, in the order of the filters; of each reason, Workers is 1.
type Miss struct {
	Worker  WorkerID `json:"worker"`
	Could   bool     `json:"could"` // it would, were the worker empty and open
	Reasons []Reason `json:"reasons"`
}

// Verdict is a judgement on a request that no worker can take now.
type Verdict struct {
	NeverFits bool     `json:"never_fits"` // no registered worker could, were it empty and open
	Reasons   []Reason `json:"reasons"`
	At        Revision `json:"at"` // judged at
}

// Standing is how a worker stood when one was chosen: what it was judged by, in the
// order in which that decides.
type Standing struct {
	Worker WorkerID `json:"worker"`
	Terms  []Term   `json:"terms"`
}

// Term is one of the things that a worker is judged by.
type Term struct {
	Name    string   `json:"name"`
	Value   string   `json:"value"`             // in words
	Is      *bool    `json:"is,omitempty"`      // of what is so, or not
	Number  *float64 `json:"number,omitempty"`  // of what is one; a load as a part of 1
	Decides bool     `json:"decides,omitempty"` // a difference in it does
}
