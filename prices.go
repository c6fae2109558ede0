package berth

// Prices is what the prices are made of by which the devices of a pool are dealt: what it
// was asked for lately, and what it had then. They are made anew when about as many
// requests have come again, or when the workers are others.
type Prices struct {
	Asked   int64            `json:"asked"`             // requests, ever
	Usual   []UsualShape     `json:"usual,omitempty"`   // those asked for most first
	Groups  []GroupsAsked    `json:"groups,omitempty"`  // those that asked for most first
	Devices map[string]int64 `json:"devices,omitempty"` // of each type
}

// GroupsAsked is what groups with one topology asked for, or those with none.
type GroupsAsked struct {
	Topology string `json:"topology,omitempty"` // the label
	Weight   int64  `json:"weight"`             // thousandths of devices, as requests of a shape weigh
}

// UsualShape is requests of one shape. Divided by its weight, the sums are their means.
type UsualShape struct {
	Types     []string `json:"types,omitempty"`
	Count     int64    `json:"count"`
	Milli     int64    `json:"milli"`
	CPU       int64    `json:"cpu_bucket"`
	Memory    int64    `json:"memory_bucket"`
	Weight    int64    `json:"weight"`
	CPUMilli  int64    `json:"cpu_milli_sum"`
	MemoryMiB int64    `json:"memory_mib_sum"`
}

// PlannedPrices is by which prices a pool's devices were dealt, in a plan.
type PlannedPrices struct {
	Pool   PoolID   `json:"pool"`
	From   int64    `json:"from,omitempty"`   // in decisions from this step on
	At     Revision `json:"at,omitempty"`     // they stand in the plan that was put then: its last ones of this pool
	Prices *Prices  `json:"prices,omitempty"` // otherwise: here
}
