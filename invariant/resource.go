package invariant

// The shapes that records share: amounts, and what is asked for.

type quantities struct {
	CPUMilli    int64            `json:"cpu_milli,omitempty"`
	MemoryBytes int64            `json:"memory_bytes,omitempty"`
	DiskBytes   int64            `json:"disk_bytes,omitempty"`
	Custom      map[string]int64 `json:"custom,omitempty"`
}

type capacity struct {
	quantities
	Ports   portRange `json:"ports,omitzero"`
	Devices []device  `json:"devices,omitempty"`
}

type portRange struct {
	First int64 `json:"first,omitempty"`
	Last  int64 `json:"last,omitempty"`
}

type device struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	NUMANode    *int64 `json:"numa_node,omitempty"`
	Link        string `json:"link,omitempty"`
}

type share struct {
	quantities
	Ports   []int64       `json:"ports,omitempty"`
	Devices []deviceShare `json:"devices,omitempty"`
}

type deviceShare struct {
	Name  string `json:"name"`
	Milli int64  `json:"milli"`
}

type demand struct {
	quantities
	Ports   []portDemand   `json:"ports,omitempty"`
	Devices []deviceDemand `json:"devices,omitempty"`
}

type portDemand struct {
	Name   string `json:"name"`
	Number int64  `json:"number,omitempty"`
}

type deviceDemand struct {
	Types       []string `json:"types,omitempty"`
	Count       int64    `json:"count"`
	Milli       int64    `json:"milli"`
	MemoryBytes int64    `json:"memory_bytes,omitempty"`
	Linked      bool     `json:"linked,omitempty"`
	Link        string   `json:"link,omitempty"`
}

type request struct {
	ID             string            `json:"id"`
	Tenant         string            `json:"tenant"`
	Pool           string            `json:"pool"`
	Priority       int64             `json:"priority,omitempty"`
	Preemption     string            `json:"preemption,omitempty"`
	Command        []string          `json:"command"`
	Env            map[string]string `json:"env,omitempty"`
	Dir            string            `json:"dir,omitempty"`
	User           string            `json:"user,omitempty"`
	Image          string            `json:"image,omitempty"`
	Resources      demand            `json:"resources"`
	Constraints    []constraint      `json:"constraints,omitempty"`
	Tolerations    []toleration      `json:"tolerations,omitempty"`
	Affinity       []affinity        `json:"affinity,omitempty"`
	AntiAffinity   []affinity        `json:"anti_affinity,omitempty"`
	Spread         []spread          `json:"spread,omitempty"`
	AffinityKey    string            `json:"affinity_key,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Group          *membership       `json:"group,omitempty"`
	Retry          retry             `json:"retry"`
	StopTimeoutMS  int64             `json:"stop_timeout_ms"`
	StartTimeoutMS int64             `json:"start_timeout_ms"`
	RunLimitMS     int64             `json:"run_limit_ms,omitempty"`
	PendingLimitMS int64             `json:"pending_limit_ms,omitempty"`
	KeepMS         int64             `json:"on_disconnect_keep_ms,omitempty"`
	OnDrain        string            `json:"on_drain,omitempty"`
	Replaces       string            `json:"replaces,omitempty"`
}

type membership struct {
	ID       string `json:"id"`
	Size     int64  `json:"size"`
	MinCount int64  `json:"min_count"`
	Topology string `json:"topology,omitempty"`
	Linked   bool   `json:"linked,omitempty"`
}

type retry struct {
	MaxAttempts int64    `json:"max_attempts"`
	OnFailure   bool     `json:"on_failure,omitempty"`
	On          []string `json:"on,omitempty"`
	BackoffMS   int64    `json:"backoff_ms"`
}

type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type requestLabel struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

type affinity struct {
	Requests *requestLabel `json:"requests,omitempty"`
	Topology string        `json:"topology,omitempty"`
	Workers  []constraint  `json:"workers,omitempty"`
	Weight   int64         `json:"weight,omitempty"`
}

type spread struct {
	Requests requestLabel `json:"requests"`
	Topology string       `json:"topology"`
	MaxSkew  int64        `json:"max_skew"`
	Weight   int64        `json:"weight,omitempty"`
}

type toleration struct {
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator"`
	Value    string `json:"value,omitempty"`
	Effect   string `json:"effect,omitempty"`
}

type constraint struct {
	Label    string   `json:"label"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}
