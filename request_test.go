package berth_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestNormalize(t *testing.T) {
	got := berth.Request{ID: "r"}.Normalize()
	want := berth.Request{
		ID: "r", Tenant: "default", Pool: "default", StopTimeoutMS: 10_000, StartTimeoutMS: 10_000,
		Retry: berth.RetryPolicy{MaxAttempts: 3, BackoffMS: 100},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	set := berth.Request{ID: "r", Tenant: "t", Pool: "p", StopTimeoutMS: 1, StartTimeoutMS: 200, Retry: berth.RetryPolicy{MaxAttempts: 1, BackoffMS: 1}}
	if diff := cmp.Diff(set, set.Normalize()); diff != "" {
		t.Errorf("what was set changed (-want +got):\n%s", diff)
	}
}

func TestRequestKey(t *testing.T) {
	r := berth.Request{ID: "r"}
	if r.Key() != "r" {
		t.Errorf("key %q, want the id", r.Key())
	}
	if r.AffinityKey = "k"; r.Key() != "k" {
		t.Errorf("key %q, want the affinity key", r.Key())
	}
}

func TestDigest(t *testing.T) {
	digest := func(r berth.Request) string {
		t.Helper()
		d, err := r.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a := validRequest()
	a.Env = map[string]string{"A": "1", "B": "2"}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back berth.Request
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if digest(a) != digest(back) {
		t.Error("a request that went through JSON has another digest")
	}
	if back.Env["A"] = "3"; digest(a) == digest(back) {
		t.Error("another variable, the same digest")
	}
	if got := len(digest(a)); got != 64 {
		t.Errorf("digest of %d characters, want 64", got)
	}
}

func TestConstraintAllows(t *testing.T) {
	labels := map[string]string{"zone": "a", "empty": ""}
	tests := []struct {
		name       string
		constraint berth.Constraint
		want       bool
	}{
		{"in", berth.Constraint{Label: "zone", Operator: berth.OperatorIn, Values: []string{"b", "a"}}, true},
		{"in other", berth.Constraint{Label: "zone", Operator: berth.OperatorIn, Values: []string{"b"}}, false},
		{"in, absent", berth.Constraint{Label: "rack", Operator: berth.OperatorIn, Values: []string{""}}, false},
		{"in, empty value", berth.Constraint{Label: "empty", Operator: berth.OperatorIn, Values: []string{""}}, true},
		{"not in", berth.Constraint{Label: "zone", Operator: berth.OperatorNotIn, Values: []string{"b"}}, true},
		{"not in, but is", berth.Constraint{Label: "zone", Operator: berth.OperatorNotIn, Values: []string{"a"}}, false},
		{"not in, absent", berth.Constraint{Label: "rack", Operator: berth.OperatorNotIn, Values: []string{"a"}}, true},
		{"exists", berth.Constraint{Label: "empty", Operator: berth.OperatorExists}, true},
		{"exists, absent", berth.Constraint{Label: "rack", Operator: berth.OperatorExists}, false},
		{"not exists", berth.Constraint{Label: "rack", Operator: berth.OperatorNotExists}, true},
		{"not exists, but does", berth.Constraint{Label: "zone", Operator: berth.OperatorNotExists}, false},
		{"unknown operator", berth.Constraint{Label: "zone", Operator: "like"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.constraint.Allows(labels); got != tt.want {
				t.Errorf("allows %t, want %t", got, tt.want)
			}
		})
	}
}

func TestEnums_RejectOtherWords(t *testing.T) {
	for name, decode := range map[string]func([]byte) error{
		"state":       new(berth.State).UnmarshalText,
		"operator":    new(berth.Operator).UnmarshalText,
		"strategy":    new(berth.Strategy).UnmarshalText,
		"stop reason": new(berth.StopReason).UnmarshalText,
		"exit kind":   new(berth.ExitKind).UnmarshalText,
		"end reason":  new(berth.EndReason).UnmarshalText,
	} {
		for _, word := range []string{"", "x", "PLACED "} {
			if decode([]byte(word)) == nil {
				t.Errorf("%s takes %q", name, word)
			}
		}
	}
}

func TestReasonString(t *testing.T) {
	for want, r := range map[string]berth.Reason{
		"3 workers: cordoned": {Code: berth.ReasonCordoned, Workers: 3},
		"2 workers: custom gpu: want 5, best has 4 free of 8": {Code: berth.ReasonCustom, Detail: "gpu", Workers: 2, Want: 5, Best: 4, Total: 8},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
