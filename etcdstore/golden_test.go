package etcdstore

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

var update = flag.Bool("update", false, "rewrite testdata and the examples of docs/keyspace.md")

var keyspaceDoc = filepath.Join("..", "docs", "keyspace.md")

func at(s int) time.Time { return time.Date(2026, 11, 25, 3, 7, s, 293_716_000, time.UTC) }

func amounts(cpu, memory int64) berth.Quantities {
	return berth.Quantities{CPUMilli: cpu, MemoryBytes: memory, DiskBytes: 1 << 30, Custom: map[string]int64{"license": 1}}
}

func share() berth.Share {
	return berth.Share{Quantities: amounts(500, 256<<20), Ports: []int32{20000}, Devices: []berth.DeviceShare{{Name: "gpu0", Milli: 500}}}
}

func capacity() berth.Capacity {
	return berth.Capacity{
		Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 20 << 30, DiskBytes: 100 << 30, Custom: map[string]int64{"license": 4}},
		Ports:      berth.PortRange{First: 20000, Last: 32767}, Devices: []berth.Device{{Name: "gpu0", Type: "t4", MemoryBytes: 15 << 30, NUMANode: new(int64), Link: "rack1-07.nvlink0"}},
	}
}

func exampleTenant(h berth.Header) *berth.Tenant {
	return &berth.Tenant{Header: h, Weight: 3, Pools: map[berth.PoolID]berth.Quota{"default": {
		Limits: berth.Amounts{"cpu_milli": 100_000, "custom.license": 4, "devices.t4": 4000},
		Taken:  berth.Amounts{"cpu_milli": 10_000, "custom.license": 1, "devices.t4": 1000},
		Blocks: 1, Short: []berth.DaemonID{"d2"}, Guaranteed: berth.Amounts{"cpu_milli": 50_000},
		Lent: berth.Loans{"sound": {"cpu_milli": 5000}}, Borrowed: berth.Loans{"maps": {"cpu_milli": 2000}}, Recalled: berth.Loans{"sound": {"cpu_milli": 1000}},
		Waits:         map[berth.DaemonID]berth.LoanWait{"d2": {Since: 4711, Own: true, Request: "r17"}},
		Gathering:     map[berth.DaemonID]berth.Gathering{"d2": {Group: "train", Priority: 10, Age: 4690, Need: berth.Amounts{"cpu_milli": 80_000}, Since: at(52)}, "d3": {Request: "r18", Age: 4702, Need: berth.Amounts{"devices.t4": 4000}, Since: at(52)}},
		RecalledSince: map[berth.TenantID]time.Time{"sound": at(51)}, ReclaimAfterMS: new(int64(30_000)),
	}}}
}

func exampleQuotaBlock(h berth.Header) *berth.QuotaBlock {
	return &berth.QuotaBlock{Header: h, Pools: map[berth.PoolID]berth.Block{"default": {
		Block: berth.Amounts{"cpu_milli": 10_000, "custom.license": 1, "devices.t4": 1000},
		Used: berth.Amounts{
			"cpu_milli": 500, "memory_bytes": 256 << 20, "disk_bytes": 1 << 30, "custom.license": 1, "devices.t4": 500,
		},
	}}}
}

func exampleRequest() berth.Request {
	return berth.Request{
		ID: "train-7", Tenant: "vision", Pool: "default", Priority: 10, Preemption: berth.PreemptionLower, Command: []string{"/opt/train", "--epochs", "3"},
		Env: map[string]string{"MODE": "fast"}, Dir: "/srv", User: "train:train", Image: "registry.example/train:3",
		Resources: berth.Demand{
			Quantities: amounts(500, 256<<20), Ports: []berth.PortDemand{{Name: "http", Number: 20000}},
			Devices: []berth.DeviceDemand{{Types: []string{"t4"}, Count: 1, Milli: 500, MemoryBytes: 15 << 30, Linked: true, Link: "rack1-07.nvlink0"}},
		},
		Constraints: []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{"a"}}},
		Affinity: []berth.Affinity{
			{Requests: &berth.RequestLabel{Label: "app", Value: "cache"}, Topology: "rack"},
			{Workers: []berth.Constraint{{Label: "disk", Operator: berth.OperatorIn, Values: []string{"ssd"}}}, Weight: 30},
		},
		AntiAffinity: []berth.Affinity{
			{Requests: &berth.RequestLabel{Label: "team", Value: "vision"}, Topology: "host", Weight: 50},
			{Workers: []berth.Constraint{{Label: "disk", Operator: berth.OperatorIn, Values: []string{"hdd"}}}},
		},
		Spread:      []berth.Spread{{Requests: berth.RequestLabel{Label: "team", Value: "vision"}, Topology: "zone", MaxSkew: 1, Weight: 10}},
		Tolerations: []berth.Toleration{{Key: "gpu", Operator: berth.TolerateEqual, Value: "yes", Effect: berth.EffectNoPlace}},
		AffinityKey: "vision-model", Labels: map[string]string{"team": "vision"}, Group: &berth.Membership{ID: "run-3", Size: 2, MinCount: 2, Topology: "rack", Linked: true},
		Retry:         berth.RetryPolicy{MaxAttempts: 3, OnFailure: true, On: []berth.RetryEnd{berth.RetryLost}, BackoffMS: 100},
		StopTimeoutMS: 10_000, StartTimeoutMS: 10_000, RunLimitMS: 3_600_000, PendingLimitMS: 600_000, KeepMS: 5_000,
		OnDrain: berth.OnDrainReplace, Replaces: "train-6",
	}
}

// examples has a record of every kind, with every field set.
func examples(t *testing.T) map[berth.Kind]any {
	t.Helper()
	h := berth.Header{Version: 1, Txn: "3f9c2d51-1a4"}
	spec := exampleRequest()
	digest, err := spec.Digest()
	if err != nil {
		t.Fatal(err)
	}
	priority := int32(50)
	exit := &berth.Exit{Kind: berth.ExitSignaled, Code: 137, Signal: "SIGKILL", OOM: true, Message: "the kernel killed a process: out of memory", At: at(59)}
	return map[berth.Kind]any{
		berth.KindSchema: &berth.Schema{Header: h, Layout: 1, Restored: &berth.Restored{At: at(9), HoldMS: 664_681}},
		berth.KindWorker: &berth.Worker{
			Header: h, Pool: "default", Address: "127.0.0.1:36951", Capacity: capacity(), Labels: map[string]string{"zone": "a"},
			Taints: []berth.Taint{{Key: "gpu", Value: "yes", Effect: berth.EffectNoPlace}}, Spot: true,
			Lease: "694d9a3b2f1c4e0a", TTLSeconds: 10, KillMS: 2000, Enforces: []string{"cpu", "memory"}, Images: true, Hostname: "rack1-07",
			BootID: "0a7a4b6e-5f0e-4f0e-9f5b-5a4e4a1d6f52", StateID: "b7d1c2e05a9f4c38", Agent: "v0.1.0", StartedAt: at(1),
		},
		berth.KindConditions: &berth.Conditions{
			Header: h, WarmImages: []string{"registry.example/train:3"}, WarmKeys: []string{"vision-model"},
			Devices: map[string]string{"gpu0": "XID 79"}, Pressure: []string{"memory"},
		},
		berth.KindIntent: &berth.Intent{
			Header: h, Cordon: true, Drain: true, Remove: true, Dead: true, Message: "disk swap", At: at(2),
			Taints:   []berth.Taint{{Key: "flaky", Value: "fan", Effect: berth.EffectPreferNoPlace}},
			Parallel: 2, PerMinute: 6, Deadline: at(57), BegunWith: 20, LastStopAt: at(30),
		},
		berth.KindLedger: &berth.Ledger{
			Header: h, Epoch: 17, Capacity: capacity(), Count: 1, Reserved: share(), Held: berth.Share{Quantities: berth.Quantities{CPUMilli: 350}},
			Claims: []berth.Claim{
				{Request: "train-8", Attempt: 1, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 250}}, Wants: berth.Share{Quantities: berth.Quantities{CPUMilli: 750}}, Victims: []berth.RequestID{"train-7"}, Counted: &berth.Counted{Tenant: "vision", Pool: "default", Block: "d1"}},
				{Request: "train-9", Attempt: 1, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}, Wants: berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}, Lent: true},
			},
			Lease: "694d9a3b2f1c4e0a", TTLSeconds: 10, KillMS: 2000, StateID: "b7d1c2e05a9f4c38",
		},
		berth.KindRequest: &berth.Submission{Header: h, Digest: digest, SubmittedAt: at(3), Planner: "d2", Spec: spec},
		berth.KindState: &berth.Progress{
			Header: h, State: berth.StatePlaced, Attempt: 2, Used: 1, Worker: "rack1-07", Epoch: 17, PlanID: "3f9c2d51-1a4",
			NotBefore: at(4), Priority: &priority, Avoid: []berth.WorkerID{"rack1-08"}, LastEnd: berth.EndStartFailed, ClaimOn: "rack1-09",
		},
		berth.KindAllocation: &berth.Allocation{
			Header: h, State: berth.StateExited, Attempt: 2, Epoch: 17, PlanID: "3f9c2d51-1a4", Tenant: "vision", Share: share(),
			QuotaBlock: "d1", Group: "run-3", GroupAttempt: 1, StartTimeoutMS: 10_000, KeepMS: 5_000, PlacedAt: at(5), StartedAt: at(6),
			Stop: &berth.StopOrder{Reason: berth.StopDrain, Deadline: at(58), Message: "disk swap", ReplacedBy: "train-7.r3"}, Exit: exit,
			Planned: berth.Basis{Revision: 41, Clock: at(5), Seed: 7, Policy: "spread/1", Overlay: map[string]berth.Revision{"ledgers/rack1-07": 42}},
		},
		berth.KindArchive: &berth.Archive{
			Header: h, Digest: digest, Spec: spec, State: berth.StateFailed, Reason: berth.EndOOM, Message: "out of memory", Attempt: 2, Worker: "rack1-07",
			Exit: exit, SubmittedAt: at(3), PlacedAt: at(5), StartedAt: at(6), EndedAt: at(59), ReplacedBy: "train-7.r3",
		},
		berth.KindGroup: &berth.Group{
			Header: h, Size: 2, MinCount: 2, Digest: digest, Attempt: 3, State: berth.GroupEnding, Since: at(59), Used: 1, Excused: 1, Domain: "rack1", Link: "rack1-07.nvlink0", Failed: 1,
			LastEnd: berth.EndPreempted,
			Reason:  berth.EndGroup, Message: "run-3.1 ended FAILED: exited",
		},
		berth.KindHold: &berth.Hold{Header: h, Workers: []berth.WorkerID{"rack1-07", "rack1-08"}},
		berth.KindKeep: &berth.Keep{
			Header: h, Group: "run-4", Since: at(10), Chosen: at(20), By: at(59), Workers: []berth.KeptWorker{{Worker: "rack1-07", Share: share()}}, MadeRoom: at(20),
			Beside: []berth.KeptBeside{{Group: "run-5", Since: at(30), By: at(49), Workers: []berth.KeptWorker{{Worker: "rack1-08", Share: share()}}}},
		},
		berth.KindDaemon:     &berth.Daemon{Header: h, Address: "127.0.0.1:7070", Program: "v0.1.0", MaxSchema: 1, StartedAt: at(0), TxnBase: "3f9c2d51", Since: 4711},
		berth.KindPool:       &berth.Pool{Header: h, Strategy: berth.StrategyBinpack, Weights: berth.Weights{berth.ScorerDislike: 1, berth.ScorerLoad: 3}, Shadow: &berth.Shadow{Strategy: berth.StrategySpread, Weights: berth.Weights{berth.ScorerCold: 2}}, BrakePolicy: berth.DefaultBrake},
		berth.KindTenant:     exampleTenant(h),
		berth.KindQuotaBlock: exampleQuotaBlock(h),
		berth.KindSupply:     &berth.Supply{Header: h, Pool: "default", Count: 3, At: at(8)},
		berth.KindPlan: &berth.PlanBasis{
			Header: h, Daemon: "d1", Clock: at(5), Revision: 41, Policy: "4", Partial: true, Awake: []berth.DaemonID{"d1", "d2"},
			Group:   &berth.PlannedGroup{ID: "run-3", From: 1, Of: 3, Need: 2, Kept: true, Types: [][]string{{"a100"}}, Left: map[string]int64{"a100": 3000}},
			Ledgers: []berth.Revision{43}, Overlay: map[string]berth.Revision{"intents/rack1-08": 42},
			Seats:  []berth.PlannedSeat{{Worker: "rack1-09", Unknown: true, Opened: true, Foreign: new(bool), Held: true, Suspended: true, Probing: true, Starting: 1}},
			Shares: []berth.Share{share(), share()}, Steps: []berth.PlannedStep{
				{Worker: "rack1-07", Share: 1, Free: true, More: 2, For: "train-7"}, {Worker: "rack1-07", Ledger: &berth.PlannedLedger{Reserved: 1, Held: 1, Count: 2}},
			},
			Types: []berth.PlannedTypes{{Step: 1, Types: [][]string{{"a100"}}}},
			Room: []berth.PlannedRoom{{
				Request: "train-8", PlannedLedger: berth.PlannedLedger{Reserved: 1, Held: 1, Count: 1}, Nowhere: new(int64), Overlay: map[string]berth.Revision{"conditions/rack1-07": 44},
				Types: [][]string{{"a100"}}, Prices: &berth.PlannedPrices{Pool: "gpu", From: 1, At: 23, Prices: &berth.Prices{
					Asked: 32, Devices: map[string]int64{"a100": 8}, Groups: []berth.GroupsAsked{{Topology: "rack", Weight: 131_072_000}},
					Usual: []berth.UsualShape{{Types: []string{"a100"}, Count: 1, Milli: 500, CPU: 24, Memory: 26, Weight: 8192, CPUMilli: 32_768_000, MemoryMiB: 67_108_864}},
				}},
				Beside: []berth.PlannedBeside{{Topology: "rack", Requests: berth.RequestLabel{Label: "app", Value: "web"}, Here: 1, All: 3, Fewest: 1}},
				Claim:  true, Occupants: []berth.PlannedOccupant{{Request: "train-6", Priority: -1, Members: 2, Leaving: true, Chosen: true}},
			}},
			Prices: []berth.PlannedPrices{{Pool: "gpu", At: 23}, {Pool: "gpu", From: 1, Prices: &berth.Prices{
				Asked: 32, Devices: map[string]int64{"a100": 8}, Groups: []berth.GroupsAsked{{Topology: "rack", Weight: 131_072_000}},
				Usual: []berth.UsualShape{{Types: []string{"a100"}, Count: 1, Milli: 500, CPU: 24, Memory: 26, Weight: 8192, CPUMilli: 32_768_000, MemoryMiB: 67_108_864}},
			}}},
			Relations: []berth.PlannedRelation{{Pool: "default", Topology: "rack", Requests: berth.RequestLabel{Label: "app", Value: "web"}, Told: []berth.PlannedCounts{
				{Counts: map[string]int64{"rack1": 2, "rack3": 1}}, {From: 1, Counts: map[string]int64{"rack1": 3, "rack3": 0}},
			}}},
		},
		berth.KindBrake: &berth.Brake{
			Header: h, State: berth.BrakeReleased, Why: berth.ReleaseOperator, Size: 200, Lost: 100, Held: 1000,
			Since: at(9), At: at(49), BoundMS: 300_000, Message: "the switch is dead",
		},
	}
}

func golden(kind berth.Kind) string { return filepath.Join("testdata", string(kind)+".json") }

// Every record is stored as its golden file says, and read back as it was.
func TestCodec_Golden(t *testing.T) {
	for kind, want := range examples(t) {
		t.Run(string(kind), func(t *testing.T) {
			value, err := encode(want)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(golden(kind), []byte(value+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.ReadFile(golden(kind))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(file)), value); diff != "" {
				t.Errorf("stored otherwise (-golden +now); a changed format needs a new version\n%s", diff)
			}
			got, err := Decode(kind, file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("read otherwise\n%s", diff)
			}
		})
	}
}

// The examples leave no field out, so that the page and the goldens hold all
// there are.
func TestExamples_Complete(t *testing.T) {
	for kind, r := range examples(t) {
		checkSet(t, string(kind), reflect.ValueOf(r).Elem())
	}
}

// checkSet looks at all values that stand at one path: of a list, one member may say
// what another leaves out.
func checkSet(t *testing.T, path string, all ...reflect.Value) {
	t.Helper()
	switch all[0].Kind() {
	case reflect.Pointer:
		checkSet(t, path, under(all, func(v reflect.Value) []reflect.Value { return []reflect.Value{v.Elem()} })...)
	case reflect.Slice:
		if members := under(all, func(v reflect.Value) (each []reflect.Value) {
			for i := range v.Len() {
				each = append(each, v.Index(i))
			}
			return each
		}); len(members) > 0 {
			checkSet(t, path, members...)
		}
	case reflect.Struct:
		if all[0].Type() == reflect.TypeFor[time.Time]() {
			return
		}
		if strings.HasSuffix(path, "Held") || strings.HasSuffix(path, "Claims.Share") || strings.HasSuffix(path, "Claims.Wants") {
			return // a claim is a small share: the shares elsewhere are whole
		}
		for i := range all[0].NumField() {
			f := all[0].Type().Field(i)
			if f.Tag.Get("json") == "-" {
				continue // no record holds it
			}
			set := under(all, func(v reflect.Value) []reflect.Value {
				if v.Field(i).IsZero() && !f.Anonymous {
					return nil
				}
				return []reflect.Value{v.Field(i)}
			})
			if len(set) == 0 {
				t.Errorf("%s.%s is not set", path, f.Name)
				continue
			}
			checkSet(t, path+"."+f.Name, set...)
		}
	}
}

func under(all []reflect.Value, of func(reflect.Value) []reflect.Value) (out []reflect.Value) {
	for _, v := range all {
		out = append(out, of(v)...)
	}
	return out
}

var exampleBlock = regexp.MustCompile("(?s)<!-- example: ([a-z_]+) -->\n```json\n(.*?)```")

// The page shows every record as it is stored, and has a row for every field.
func TestKeyspaceDoc(t *testing.T) {
	text, err := os.ReadFile(keyspaceDoc)
	if err != nil {
		t.Fatal(err)
	}
	records := examples(t)
	seen := map[berth.Kind]bool{}
	next := exampleBlock.ReplaceAllStringFunc(string(text), func(block string) string {
		m := exampleBlock.FindStringSubmatch(block)
		kind := berth.Kind(m[1])
		seen[kind] = true
		value, err := encode(records[kind])
		if err != nil || records[kind] == nil {
			t.Errorf("example of %s: %v", kind, err)
			return block
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(value), "", "  "); err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("<!-- example: %s -->\n```json\n%s\n```", kind, pretty.String())
	})
	for kind := range records {
		if !seen[kind] {
			t.Errorf("the page has no example of %s", kind)
		}
	}
	if *update {
		if err := os.WriteFile(keyspaceDoc, []byte(next), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(string(text), next); diff != "" {
		t.Errorf("the page shows other values (go test ./etcdstore -update)\n%s", diff)
	}
	for kind, r := range records {
		for _, name := range fieldsOf(reflect.TypeOf(r).Elem()) {
			if !strings.Contains(next, "`"+name+"`") && !strings.Contains(next, "."+name+"`") {
				t.Errorf("%s: the page does not tell of field %q", kind, name)
			}
		}
	}
}

// fieldsOf are the names of all JSON fields, at any depth.
func fieldsOf(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return fieldsOf(t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			out = append(out, name)
		}
		if f.Type != reflect.TypeFor[time.Time]() {
			out = append(out, fieldsOf(f.Type)...)
		}
	}
	return out
}

func encode(record any) (string, error) {
	b, err := appendRecord(nil, record)
	return string(b), err
}

func TestDecode_Refuses(t *testing.T) {
	for name, tt := range map[string]struct {
		kind  berth.Kind
		value string
		want  string
	}{
		"unknown kind":      {"things", `{"version":1}`, `kind "things" is unknown`},
		"no JSON":           {berth.KindPool, `spread`, "pools record"},
		"newer version":     {berth.KindPool, `{"version":2,"txn":"t","strategy":"spread"}`, "newer version"},
		"no version":        {berth.KindPool, `{"txn":"t","strategy":"spread"}`, "version 0"},
		"unknown field":     {berth.KindPool, `{"version":1,"txn":"t","strategy":"spread","colour":"red"}`, `field "colour": unknown`},
		"deep unknown":      {berth.KindLedger, `{"version":1,"txn":"t","claims":[{"share":{"colour":1}}]}`, `field "claims.0.share.colour": unknown`},
		"newer and unknown": {berth.KindPool, `{"colour":"red","version":2}`, "newer version"},
		"newer, other type": {berth.KindPool, `{"strategy":7,"version":2}`, "newer version"},
		"another case":      {berth.KindPool, `{"version":1,"txn":"t","Strategy":"spread"}`, `field "Strategy": unknown`},
		"twice":             {berth.KindPool, `{"version":1,"txn":"t","strategy":"spread","strategy":"spread"}`, `duplicate object member name "strategy"`},
		"label twice":       {berth.KindWorker, `{"version":1,"txn":"t","labels":{"a":"1","a":"2"}}`, `duplicate object member name "a" within "/labels"`},
		"no UTF-8":          {berth.KindPool, `{"version":1,"txn":"` + "\xff" + `","strategy":"spread"}`, `invalid UTF-8 within "/txn"`},
		"unknown scorer":    {berth.KindPool, `{"version":1,"txn":"t","strategy":"spread","weights":{"speed":1}}`, `scorer "speed"`},
		"unknown word":      {berth.KindPool, `{"version":1,"txn":"t","strategy":"best"}`, `field "strategy": strategy "best"`},
		"trailing garbage":  {berth.KindPool, `{"version":1,"txn":"t","strategy":"spread"} x`, "after top-level value"},
		"two values":        {berth.KindPool, `{"version":1,"txn":"t","strategy":"spread"}{}`, "pools record"},
		"a word is missing": {berth.KindAllocation, `{"version":1,"txn":"t"}`, `"state" is missing`},
		"another type":      {berth.KindPool, `{"version":1,"txn":"t","strategy":7}`, `field "strategy": JSON value must be string`},
		"no object":         {berth.KindPool, `[]`, "pools record: is no JSON object"},
		"list for a number": {berth.KindLedger, `{"version":1,"txn":"t","epoch":[]}`, `field "epoch" is of another type`},
		"overflow":          {berth.KindLedger, `{"version":1,"txn":"t","epoch":9223372036854775808}`, `field "epoch": value out of range`},
		"oversize":          {berth.KindPool, `{"version":1,"txn":"` + strings.Repeat("t", MaxValueBytes) + `"}`, "at most 262144"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(tt.kind, []byte(tt.value))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// What Decode takes is written back as a value that it reads the same.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no goldens: %v", err)
	}
	for _, name := range files {
		value, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.TrimSuffix(filepath.Base(name), ".json"), value)
	}
	f.Fuzz(func(t *testing.T, kind string, value []byte) {
		first, err := Decode(berth.Kind(kind), value)
		if err != nil {
			return
		}
		again, err := encode(first)
		if err != nil {
			return // above the bound once it is written out
		}
		second, err := Decode(berth.Kind(kind), []byte(again))
		if err != nil {
			t.Fatalf("%s: not read back: %v", again, err)
		}
		if third, err := encode(second); err != nil || third != again {
			t.Fatalf("%s became %s (%v)", again, third, err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, k := range []string{"schema", "workers/w", "allocations/w/r", "tenants/t", "tenants/t/d", "quota_blocks/x", "requests/", "x"} {
		f.Add("/berth/" + k)
	}
	f.Fuzz(func(t *testing.T, key string) {
		k, err := keys{"/berth/"}.parse(key)
		if err != nil {
			return
		}
		if back := (keys{"/berth/"}).format(k); back != key {
			t.Fatalf("%q is %+v, which is %q", key, k, back)
		}
	})
}
