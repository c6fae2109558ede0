package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// A request survives the way to a message and back, whatever is in it.
func TestRequest_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Make[berth.Request]().Draw(t, "request")
		if diff := cmp.Diff(want, ToRequest(FromRequest(&want)), emptyIsNil, noAnyOrder); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
	})
}

// emptyIsNil: a message does not tell an empty list or map from none.
var emptyIsNil = cmp.FilterValues(func(x, y any) bool { return empty(x) && empty(y) }, cmp.Comparer(func(_, _ any) bool { return true }))

// noAnyOrder: it is no part of what is asked for.
var noAnyOrder = cmpopts.IgnoreFields(berth.DeviceDemand{}, "AnyOrder")

func empty(v any) bool {
	switch v := v.(type) {
	case []string:
		return len(v) == 0
	case map[string]string:
		return len(v) == 0
	case map[string]int64:
		return len(v) == 0
	case []berth.PortDemand:
		return len(v) == 0
	case []berth.DeviceDemand:
		return len(v) == 0
	case []berth.Affinity:
		return len(v) == 0
	case []berth.Spread:
		return len(v) == 0
	case []berth.Toleration:
		return len(v) == 0
	case []berth.Constraint:
		return len(v) == 0
	}
	return false
}

// Every field of the message is set by a request whose fields are all set: a
// field added to one side only is found here.
func TestFromRequest_Complete(t *testing.T) {
	r := berth.Request{
		ID: "r", Tenant: "t", Pool: "p", Priority: 1, Command: []string{"c"}, Env: map[string]string{"a": "b"}, Dir: "/", User: "u", Image: "i",
		Resources: berth.Demand{
			Quantities: berth.Quantities{CPUMilli: 1, MemoryBytes: 1, DiskBytes: 1, Custom: map[string]int64{"a": 1}},
			Ports:      []berth.PortDemand{{Name: "a", Number: 1}}, Devices: []berth.DeviceDemand{{Types: []string{"a"}, Count: 1, Milli: 1, MemoryBytes: 1, Linked: true, Link: "x"}},
		},
		Constraints: []berth.Constraint{{Label: "l", Operator: berth.OperatorIn, Values: []string{"v"}}}, AffinityKey: "k",
		Affinity: []berth.Affinity{{
			Requests: &berth.RequestLabel{Label: "l", Value: "v"}, Topology: "t", Workers: []berth.Constraint{{Label: "l", Operator: "in", Values: []string{"v"}}}, Weight: 1,
		}},
		AntiAffinity: []berth.Affinity{{
			Requests: &berth.RequestLabel{Label: "l", Value: "v"}, Topology: "t", Workers: []berth.Constraint{{Label: "l", Operator: "in", Values: []string{"v"}}}, Weight: 1,
		}},
		Spread:      []berth.Spread{{Requests: berth.RequestLabel{Label: "l", Value: "v"}, Topology: "t", MaxSkew: 1, Weight: 1}},
		Tolerations: []berth.Toleration{{Key: "k", Operator: "equal", Value: "v", Effect: "no_place"}},
		Labels:      map[string]string{"a": "b"}, Group: &berth.Membership{ID: "g", Size: 1, MinCount: 1, Topology: "rack", Linked: true},
		Retry:         berth.RetryPolicy{MaxAttempts: 1, OnFailure: true, On: []berth.RetryEnd{"lost"}, BackoffMS: 1},
		StopTimeoutMS: 1, StartTimeoutMS: 1, RunLimitMS: 1, PendingLimitMS: 1, KeepMS: 1, OnDrain: "replace", Preemption: "lower", Replaces: "o",
	}
	checkComplete(t, FromRequest(&r).ProtoReflect())
	if got := (&berthv1.Request{}); ToRequest(got).ID != "" {
		t.Error("an empty message is not an empty request")
	}
}

func checkComplete(t *testing.T, m protoreflect.Message) {
	t.Helper()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) {
			t.Errorf("%s is not set", f.FullName())
			continue
		}
		switch {
		case f.IsMap() || f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			checkComplete(t, m.Get(f).List().Get(0).Message())
		default:
			checkComplete(t, m.Get(f).Message())
		}
	}
}
