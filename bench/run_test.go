package bench

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth/worker/shim/shimtest"
)

func TestRun(t *testing.T) {
	shim, remove, err := shimtest.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	for _, agent := range []Via{ViaSocket, ViaProcess} {
		t.Run(string(agent), func(t *testing.T) {
			dir := t.TempDir()
			r, err := Run(t.Context(), RunOptions{
				Options: Options{StoreDir: dir, Requests: 5, Say: t.Logf}, RunFor: 100 * time.Millisecond, Agent: agent, NoCgroups: true, Shim: shim,
			})
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.MarshalIndent(r, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s", text)
			if r.Interrupted || len(r.Violations) > 0 || r.Requests+r.Incomplete != 5 || r.Requests < 3 {
				t.Errorf("%d requests, %d incomplete, interrupted: %t, violations: %q", r.Requests, r.Incomplete, r.Interrupted, r.Violations)
			}
			sum := 0.0
			for _, p := range r.Parts {
				sum += p.Share
			}
			if len(r.Parts) != len(parts) || sum < 0.999 || sum > 1.001 {
				t.Errorf("%d parts, whose shares are %v in all", len(r.Parts), sum)
			}
			if r.Ratio == nil || *r.Ratio <= 0 || *r.Limit.Writes.P50MS <= 0 || *r.Limit.Fork.P50MS <= 0 {
				t.Errorf("limit %+v, ratio %v", r.Limit, r.Ratio)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v %v", left, err)
			}
		})
	}
}

// The parts are the whole, whatever order a transaction's answer and its event come in,
// and though an older shim tells nothing.
func TestTimesOf(t *testing.T) {
	const ms = time.Millisecond
	var at [marks]time.Duration
	for m := range marks {
		at[m] = time.Second + time.Duration(m)*ms
	}
	for _, tt := range []struct {
		name   string
		change func()
		want   map[int]time.Duration // of parts that do not take a millisecond
	}{
		{"in order", func() {}, nil},
		{"the event before the answer", func() { at[markPlaced], at[markTold] = at[markTold], at[markPlaced] }, map[int]time.Duration{3: 0, 4: 2 * ms}},
		{"nothing of the shim", func() { at[markCharged], at[markReady], at[markExecuted] = 0, 0, 0 }, map[int]time.Duration{8: 0, 9: 0, 10: 0, 11: 4 * ms}},
	} {
		before := at
		tt.change()
		var want [len(parts)]time.Duration
		var sum time.Duration
		for i := range want {
			want[i] = ms
			if d, ok := tt.want[i]; ok {
				want[i] = d
			}
		}
		got := timesOf(at)
		for _, d := range got {
			sum += d
		}
		if diff := cmp.Diff(want, got); diff != "" || sum != at[markAnswered]-at[markCalled] {
			t.Errorf("%s: sum %s (-want +got):\n%s", tt.name, sum, diff)
		}
		at = before
	}
}

func TestRun_Refused(t *testing.T) {
	for _, o := range []RunOptions{{RunFor: -1}, {RunFor: time.Hour}, {Agent: "post"}, {Options: Options{Requests: -1}}} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v is measured", o)
		}
	}
}
