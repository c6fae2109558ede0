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

// One whole device where a demand says neither how many nor what part: spelled out or left out, it is one
// request, and what was given stays as it is.
func TestNormalize_Devices(t *testing.T) {
	ask := func(count, milli int64) berth.Request {
		r := validRequest()
		r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100"}, Count: count, Milli: milli}}
		return r
	}
	for _, tt := range []struct{ count, milli, wantCount, wantMilli int64 }{
		{0, 0, 1, 1000}, {2, 0, 2, 1000}, {0, 500, 1, 500}, {2, 500, 2, 500},
	} {
		given := ask(tt.count, tt.milli)
		got, want := given.Normalize(), ask(tt.wantCount, tt.wantMilli).Normalize()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("count %d, milli %d (-want +got):\n%s", tt.count, tt.milli, diff)
		}
		a, err := got.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := want.Digest(); err != nil || a != b {
			t.Errorf("count %d, milli %d: the digest is %s, spelled out %s, %v", tt.count, tt.milli, a, b, err)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("count %d, milli %d: %v", tt.count, tt.milli, err)
		}
		if d := given.Resources.Devices[0]; d.Count != tt.count || d.Milli != tt.milli {
			t.Errorf("what was given became %+v", d)
		}
	}
	for _, r := range []berth.Request{ask(-1, 0), ask(0, -1), ask(65, 0), ask(0, 1001)} {
		if err := r.Normalize().Validate(); err == nil {
			t.Errorf("%+v is taken", r.Resources.Devices[0])
		}
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

// The digest of a request that uses nothing new never changes: an upgrade would
// refuse its repeated submission.
func TestDigest_Stable(t *testing.T) {
	r := validRequest()
	r.Labels, r.Constraints = map[string]string{"app": "web"}, []berth.Constraint{in("b", "a")}
	r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100"}, Count: 1, Milli: 500}}
	r.Group = &berth.Membership{ID: "g", Size: 2, MinCount: 1}
	const want = "34c0ee5e772581bf1b0c45b39ab98487a02dfe635a611c4beee76165c49b85c5"
	if got, err := r.Digest(); err != nil || got != want {
		t.Errorf("digest %s, %v; want %s", got, err, want)
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
		"retry end":   new(berth.RetryEnd).UnmarshalText,
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
