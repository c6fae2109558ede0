package berth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berthd/berth"
)

func validRequest() berth.Request {
	return berth.Request{ID: "r", Command: []string{"true"}}.Normalize()
}

func names(n int) map[string]string {
	out := make(map[string]string, n)
	for i := range n {
		out[fmt.Sprintf("n%d", i)] = ""
	}
	return out
}

func amounts(n int) map[string]int64 {
	out := make(map[string]int64, n)
	for name := range names(n) {
		out[name] = 1
	}
	return out
}

func near(value, topology string) berth.Affinity {
	return berth.Affinity{Requests: &berth.RequestLabel{Label: "app", Value: value}, Topology: topology}
}

func in(values ...string) berth.Constraint {
	return berth.Constraint{Label: "l", Operator: berth.OperatorIn, Values: values}
}

// invalidRequests break one bound each; the key of field is what the error must name.
var invalidRequests = []struct {
	name  string
	field string
	spoil func(*berth.Request)
}{
	{"no id", "id", func(r *berth.Request) { r.ID = "" }},
	{"long id", "id", func(r *berth.Request) { r.ID = berth.RequestID(strings.Repeat("a", 129)) }},
	{"id with a slash", "id", func(r *berth.Request) { r.ID = "a/b" }},
	{"id begins with a dot", "id", func(r *berth.Request) { r.ID = ".a" }},
	{"upper case tenant", "tenant", func(r *berth.Request) { r.Tenant = "A" }},
	{"no pool", "pool", func(r *berth.Request) { r.Pool = "" }},
	{"long user", "user", func(r *berth.Request) { r.User = strings.Repeat("u", 257) }},
	{"long image", "image", func(r *berth.Request) { r.Image = strings.Repeat("i", 4097) }},
	{"NUL in the key", "affinity_key", func(r *berth.Request) { r.AffinityKey = "a\x00" }},
	{"high priority", "priority", func(r *berth.Request) { r.Priority = 1001 }},
	{"low priority", "priority", func(r *berth.Request) { r.Priority = -1001 }},
	{"no command", "command", func(r *berth.Request) { r.Command = nil }},
	{"empty program", "command", func(r *berth.Request) { r.Command = []string{"", "x"} }},
	{"many arguments", "command", func(r *berth.Request) { r.Command = make([]string, 1025); r.Command[0] = "x" }},
	{"argument not UTF-8", "command[1]", func(r *berth.Request) { r.Command = []string{"x", "\xff"} }},
	{"long argument", "command[1]", func(r *berth.Request) { r.Command = []string{"x", strings.Repeat("a", 65537)} }},
	{"relative dir", "dir", func(r *berth.Request) { r.Dir = "tmp" }},
	{"long dir", "dir", func(r *berth.Request) { r.Dir = "/" + strings.Repeat("d", 4096) }},
	{"many variables", "env", func(r *berth.Request) { r.Env = names(513) }},
	{"empty variable name", "env", func(r *berth.Request) { r.Env = map[string]string{"": "x"} }},
	{"equals sign in a name", "env", func(r *berth.Request) { r.Env = map[string]string{"a=b": "x"} }},
	{"NUL in a variable", "env.A", func(r *berth.Request) { r.Env = map[string]string{"A": "\x00"} }},
	{"many labels", "labels", func(r *berth.Request) { r.Labels = names(65) }},
	{"empty label", "labels", func(r *berth.Request) { r.Labels = map[string]string{"": "x"} }},
	{"long label", "labels", func(r *berth.Request) { r.Labels = map[string]string{strings.Repeat("l", 257): ""} }},
	{"long label value", "labels.l", func(r *berth.Request) { r.Labels = map[string]string{"l": strings.Repeat("v", 257)} }},
	{"many constraints", "constraints", func(r *berth.Request) { r.Constraints = make([]berth.Constraint, 33) }},
	{"constraint without label", "constraints[0].label", func(r *berth.Request) { r.Constraints = []berth.Constraint{{}} }},
	{"many values", "constraints[1].values", func(r *berth.Request) { r.Constraints = []berth.Constraint{in("a"), in(make([]string, 65)...)} }},
	{"no values", "constraints[0].values", func(r *berth.Request) { r.Constraints = []berth.Constraint{in()} }},
	{"long value", "constraints[0].values", func(r *berth.Request) { r.Constraints = []berth.Constraint{in(strings.Repeat("v", 257))} }},
	{"values with exists", "constraints[0].values", func(r *berth.Request) {
		r.Constraints = []berth.Constraint{{Label: "l", Operator: berth.OperatorExists, Values: []string{"a"}}}
	}},
	{"unknown operator", "constraints[0].operator", func(r *berth.Request) { r.Constraints = []berth.Constraint{{Label: "l", Operator: "like"}} }},
	{"two numbers", "constraints[0].values", func(r *berth.Request) { r.Constraints = []berth.Constraint{is("l", berth.OperatorLess, "1", "2")} }},
	{"no number", "constraints[0].values", func(r *berth.Request) { r.Constraints = []berth.Constraint{is("l", berth.OperatorAtLeast, "0x10")} }},
	{"infinite", "constraints[0].values", func(r *berth.Request) { r.Constraints = []berth.Constraint{is("l", berth.OperatorAtLeast, "Inf")} }},
	{"no range", "constraints[0].values", func(r *berth.Request) { r.Constraints = []berth.Constraint{is("l", berth.OperatorVersion, "new")} }},
	{"many tolerations", "tolerations", func(r *berth.Request) { r.Tolerations = make([]berth.Toleration, 33) }},
	{"toleration without key", "tolerations[0].key", func(r *berth.Request) { r.Tolerations = []berth.Toleration{{Operator: berth.TolerateEqual}} }},
	{"toleration operator", "tolerations[0].operator", func(r *berth.Request) { r.Tolerations = []berth.Toleration{{Key: "k", Operator: "in"}} }},
	{"toleration effect", "tolerations[0].effect", func(r *berth.Request) {
		r.Tolerations = []berth.Toleration{{Key: "k", Operator: berth.TolerateExists, Effect: "never"}}
	}},
	{"value with exists", "tolerations[1].value", func(r *berth.Request) {
		r.Tolerations = []berth.Toleration{{Operator: berth.TolerateExists}, {Key: "k", Operator: berth.TolerateExists, Value: "v"}}
	}},
	{"many affinities", "affinity", func(r *berth.Request) { r.Affinity = make([]berth.Affinity, 17) }},
	{"affinity to nothing", "anti_affinity[0].requests", func(r *berth.Request) { r.AntiAffinity = make([]berth.Affinity, 1) }},
	{"affinity to both", "affinity[0].workers", func(r *berth.Request) {
		r.Affinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "l"}, Topology: "host", Workers: []berth.Constraint{in("a")}}}
	}},
	{"required affinity to workers", "affinity[0].weight", func(r *berth.Request) { r.Affinity = []berth.Affinity{{Workers: []berth.Constraint{in("a")}}} }},
	{"topology of workers", "affinity[0].topology", func(r *berth.Request) {
		r.Affinity = []berth.Affinity{{Workers: []berth.Constraint{in("a")}, Topology: "rack", Weight: 1}}
	}},
	{"heavy", "anti_affinity[0].weight", func(r *berth.Request) {
		r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "l"}, Topology: "host", Weight: 101}}
	}},
	{"no topology", "anti_affinity[0].topology", func(r *berth.Request) {
		r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "l"}}}
	}},
	{"near and apart", "affinity[1]", func(r *berth.Request) {
		r.Affinity = []berth.Affinity{near("x", "host"), near("l", "rack")}
		r.AntiAffinity = []berth.Affinity{near("l", "host"), near("l", "rack")}
	}},
	{"many spreads", "spread", func(r *berth.Request) { r.Spread = make([]berth.Spread, 9) }},
	{"spread of no label", "spread[0].requests.label", func(r *berth.Request) { r.Spread = []berth.Spread{{Topology: "host", MaxSkew: 1}} }},
	{"no skew", "spread[0].max_skew", func(r *berth.Request) {
		r.Spread = []berth.Spread{{Requests: berth.RequestLabel{Label: "l"}, Topology: "host"}}
	}},
	{"no attempts", "retry.max_attempts", func(r *berth.Request) { r.Retry.MaxAttempts = 0 }},
	{"many attempts", "retry.max_attempts", func(r *berth.Request) { r.Retry.MaxAttempts = 101 }},
	{"negative backoff", "retry.backoff_ms", func(r *berth.Request) { r.Retry.BackoffMS = -1 }},
	{"long backoff", "retry.backoff_ms", func(r *berth.Request) { r.Retry.BackoffMS = berth.MaxBackoffMS + 1 }},
	{"unknown end", "retry.on[1]", func(r *berth.Request) { r.Retry.On = []berth.RetryEnd{"lost", "failed"} }},
	{"long stop", "stop_timeout_ms", func(r *berth.Request) { r.StopTimeoutMS = berth.MaxStopMS + 1 }},
	{"short start", "start_timeout_ms", func(r *berth.Request) { r.StartTimeoutMS = 99 }},
	{"negative run limit", "run_limit_ms", func(r *berth.Request) { r.RunLimitMS = -1 }},
	{"long pending limit", "pending_limit_ms", func(r *berth.Request) { r.PendingLimitMS = berth.MaxDurationMS + 1 }},
	{"negative keep", "on_disconnect_keep_ms", func(r *berth.Request) { r.KeepMS = -1 }},
	{"group without id", "group.id", func(r *berth.Request) { r.Group = &berth.Membership{Size: 1, MinCount: 1} }},
	{"empty group", "group.size", func(r *berth.Request) { r.Group = &berth.Membership{ID: "g", MinCount: 1} }},
	{"min above size", "group.min_count", func(r *berth.Request) { r.Group = &berth.Membership{ID: "g", Size: 2, MinCount: 3} }},
	{"negative cpu", "resources.cpu_milli", func(r *berth.Request) { r.Resources.CPUMilli = -1 }},
	{"much cpu", "resources.cpu_milli", func(r *berth.Request) { r.Resources.CPUMilli = berth.MaxCPUMilli + 1 }},
	{"much memory", "resources.memory_bytes", func(r *berth.Request) { r.Resources.MemoryBytes = berth.MaxMemoryBytes + 1 }},
	{"much disk", "resources.disk_bytes", func(r *berth.Request) { r.Resources.DiskBytes = berth.MaxDiskBytes + 1 }},
	{"many custom", "resources.custom", func(r *berth.Request) { r.Resources.Custom = amounts(33) }},
	{"custom name", "resources.custom", func(r *berth.Request) { r.Resources.Custom = map[string]int64{"A": 1} }},
	{"much custom", "resources.custom.x", func(r *berth.Request) { r.Resources.Custom = map[string]int64{"x": berth.MaxCustom + 1} }},
	{"many ports", "resources.ports", func(r *berth.Request) { r.Resources.Ports = make([]berth.PortDemand, 33) }},
	{"port without name", "resources.ports[0].name", func(r *berth.Request) { r.Resources.Ports = []berth.PortDemand{{Number: 1}} }},
	{"port above range", "resources.ports[0].number", func(r *berth.Request) { r.Resources.Ports = []berth.PortDemand{{Name: "p", Number: 65536}} }},
	{"port name twice", "resources.ports[1].name", func(r *berth.Request) { r.Resources.Ports = []berth.PortDemand{{Name: "p"}, {Name: "p"}} }},
	{"port number twice", "resources.ports[1].name", func(r *berth.Request) {
		r.Resources.Ports = []berth.PortDemand{{Name: "p", Number: 1}, {Name: "q", Number: 1}}
	}},
	{"no devices of a demand", "resources.devices[0].count", func(r *berth.Request) { r.Resources.Devices = []berth.DeviceDemand{{Milli: 1}} }},
	{"no part of a device", "resources.devices[0].milli", func(r *berth.Request) { r.Resources.Devices = []berth.DeviceDemand{{Count: 1}} }},
	{"more than a device", "resources.devices[0].milli", func(r *berth.Request) { r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1001}} }},
	{"linked group without devices", "group.linked", func(r *berth.Request) { r.Group = &berth.Membership{ID: "r", Size: 2, MinCount: 2, Linked: true} }},
	{"linked group of one device", "group.linked", func(r *berth.Request) {
		r.Group = &berth.Membership{ID: "r", Size: 1, MinCount: 1, Linked: true}
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1000}}
	}},
	{"linked group of shares", "resources.devices[1].milli", func(r *berth.Request) {
		r.Group = &berth.Membership{ID: "r", Size: 2, MinCount: 2, Linked: true}
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1000}, {Count: 1, Milli: 999}}
	}},
	{"linked group of two named domains", "resources.devices[1].link", func(r *berth.Request) {
		r.Group = &berth.Membership{ID: "r", Size: 2, MinCount: 2, Linked: true}
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1000, Link: "a"}, {Count: 1, Milli: 1000, Link: "b"}}
	}},
	{"linked shares", "resources.devices[0].milli", func(r *berth.Request) {
		r.Resources.Devices = []berth.DeviceDemand{{Count: 2, Milli: 500, Linked: true}}
	}},
	{"one linked device", "resources.devices[0].linked", func(r *berth.Request) {
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1000, Linked: true}}
	}},
	{"long link", "resources.devices[0].link", func(r *berth.Request) {
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1000, Link: strings.Repeat("l", 257)}}
	}},
	{"many types", "resources.devices[0].types", func(r *berth.Request) {
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1, Types: make([]string, 17)}}
	}},
	{"device type", "resources.devices[0].types", func(r *berth.Request) {
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1, Types: []string{"H100"}}}
	}},
	{"many devices in all", "resources.devices", func(r *berth.Request) {
		r.Resources.Devices = []berth.DeviceDemand{{Count: 64, Milli: 1}, {Count: 1, Milli: 1}}
	}},
	{"large in all", "request r", func(r *berth.Request) { r.Command = []string{"x", strings.Repeat("a", 65536)} }},
}

func TestValidate_NamesFieldAndBound(t *testing.T) {
	for _, tt := range invalidRequests {
		t.Run(tt.name, func(t *testing.T) {
			r := validRequest()
			tt.spoil(&r)
			err := r.Validate()
			fe, ok := errors.AsType[*berth.FieldError](err)
			if !ok {
				t.Fatalf("got %v, want a FieldError of %s", err, tt.field)
			}
			if fe.Field != tt.field || fe.Problem == "" || fe.Bound == "" {
				t.Errorf("got field %q, problem %q, bound %q; want field %q, and the bound", fe.Field, fe.Problem, fe.Bound, tt.field)
			}
			if strings.Contains(fe.Bound, "at least") {
				t.Errorf("the bound of %s is %q; want how far up it goes, too", tt.field, fe.Bound)
			}
			if len(err.Error()) > 400 || !strings.Contains(err.Error(), tt.field) {
				t.Errorf("error of %d bytes: %s", len(err.Error()), err)
			}
		})
	}
}

// TestValidate_AtTheBounds: every bound itself is allowed.
func TestValidate_AtTheBounds(t *testing.T) {
	r := validRequest()
	r.ID, r.Tenant, r.Pool = berth.RequestID(strings.Repeat("a", 128)), "0", "a.b_c-d"
	r.User, r.AffinityKey = strings.Repeat("u", 256), strings.Repeat("k", 256)
	r.Priority, r.Image, r.Dir = 1000, strings.Repeat("i", 4096), "/"+strings.Repeat("d", 4095)
	r.Command, r.Env, r.Labels = make([]string, 1024), names(512), names(64)
	r.Command[0] = "x"
	r.Constraints = make([]berth.Constraint, 32)
	for i := range r.Constraints {
		r.Constraints[i] = in(make([]string, 64)...)
	}
	r.Retry = berth.RetryPolicy{MaxAttempts: 100, BackoffMS: berth.MaxBackoffMS}
	r.StopTimeoutMS, r.StartTimeoutMS = berth.MaxStopMS, 100
	r.RunLimitMS, r.PendingLimitMS, r.KeepMS = berth.MaxDurationMS, berth.MaxDurationMS, berth.MaxDurationMS
	r.Group = &berth.Membership{ID: "g", Size: 1000, MinCount: 1000}
	r.Resources.Quantities = berth.Quantities{CPUMilli: berth.MaxCPUMilli, MemoryBytes: berth.MaxMemoryBytes, DiskBytes: berth.MaxDiskBytes, Custom: amounts(32)}
	r.Resources.Custom["n0"] = berth.MaxCustom
	for i := range 32 {
		r.Resources.Ports = append(r.Resources.Ports, berth.PortDemand{Name: fmt.Sprintf("p%d", i), Number: int32(65535 - i)})
	}
	r.Resources.Devices = []berth.DeviceDemand{{Types: strings.Fields(strings.Repeat("t ", 16)), Count: 64, Milli: 1000}}
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
}

// Near and apart from the same: where one of the two is preferred, they are of other domains or other requests, or it is one of those itself and may be their first.
func TestValidate_NearAndApartBesideEachOther(t *testing.T) {
	preferred := near("l", "rack")
	preferred.Weight = 1
	for name, r := range map[string]berth.Request{
		"rather apart":  {Affinity: []berth.Affinity{near("l", "rack")}, AntiAffinity: []berth.Affinity{preferred}},
		"rather near":   {Affinity: []berth.Affinity{preferred}, AntiAffinity: []berth.Affinity{near("l", "rack")}},
		"other domains": {Affinity: []berth.Affinity{near("l", "rack")}, AntiAffinity: []berth.Affinity{near("l", "host")}},
		"of no rack":    {Affinity: []berth.Affinity{near("l", "host")}, AntiAffinity: []berth.Affinity{near("l", "rack")}},
		"others":        {Affinity: []berth.Affinity{near("l", "rack")}, AntiAffinity: []berth.Affinity{near("m", "rack")}},
		"the first":     {Labels: map[string]string{"app": "l"}, Affinity: []berth.Affinity{near("l", "rack")}, AntiAffinity: []berth.Affinity{near("l", "rack")}},
	} {
		t.Run(name, func(t *testing.T) {
			given := validRequest()
			given.Labels, given.Affinity, given.AntiAffinity = r.Labels, r.Affinity, r.AntiAffinity
			if err := given.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCapacityValidate(t *testing.T) {
	tests := []struct {
		name  string
		field string // empty: valid
		c     berth.Capacity
	}{
		{"zero", "", berth.Capacity{}},
		{"all", "", berth.Capacity{Ports: berth.PortRange{First: 1, Last: berth.MaxPortsPerWorker}, Devices: []berth.Device{{Name: "a", Type: "t"}, {Name: "b", Type: "t"}}}},
		{"cpu", "cpu_milli", berth.Capacity{Quantities: berth.Quantities{CPUMilli: -1}}},
		{"too many ports", "ports.last", berth.Capacity{Ports: berth.PortRange{First: 1024, Last: 65535}}},
		{"first port", "ports.first", berth.Capacity{Ports: berth.PortRange{Last: 5}}},
		{"ports reversed", "ports.last", berth.Capacity{Ports: berth.PortRange{First: 5, Last: 4}}},
		{"many devices", "devices", berth.Capacity{Devices: make([]berth.Device, 257)}},
		{"device name", "devices[0].name", berth.Capacity{Devices: []berth.Device{{Type: "t"}}}},
		{"device type", "devices[0].type", berth.Capacity{Devices: []berth.Device{{Name: "a"}}}},
		{"device link", "devices[0].link", berth.Capacity{Devices: []berth.Device{{Name: "a", Type: "t", Link: strings.Repeat("l", 257)}}}},
		{"device twice", "devices[1].name", berth.Capacity{Devices: []berth.Device{{Name: "a", Type: "t"}, {Name: "a", Type: "t"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.c.Validate()
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if fe, ok := errors.AsType[*berth.FieldError](err); !ok || fe.Field != tt.field {
				t.Errorf("got %v, want a FieldError of %s", err, tt.field)
			}
		})
	}
}

// What is missing, or too many, is told so, and not as a value that was never given.
func TestValidate_Says(t *testing.T) {
	for _, tt := range []struct {
		change func(*berth.Request)
		want   string
	}{
		{func(r *berth.Request) {
			r.Affinity = []berth.Affinity{{Workers: []berth.Constraint{{Label: "a", Operator: berth.OperatorExists}}}}
		}, "affinity[0].weight is missing; allowed: 1 to 100"},
		{func(r *berth.Request) { r.Command = make([]string, 2000); r.Command[0] = "x" }, "command has 2000 entries; allowed: at most 1024"},
	} {
		r := validRequest()
		tt.change(&r)
		if err := r.Normalize().Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}
