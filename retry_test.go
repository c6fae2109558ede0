package berth_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

var retryEnds = []berth.RetryEnd{berth.RetryFailure, berth.RetryLost, berth.RetryOOM, berth.RetryStartFailed}

// Equal sets of ends are stored alike, and as before `on` was there where that can say it.
func TestRetryPolicy_Normalize(t *testing.T) {
	tests := []struct {
		name string
		in   berth.RetryPolicy
		want berth.RetryPolicy
	}{
		{"nothing", berth.RetryPolicy{}, berth.RetryPolicy{}},
		{"on_failure", berth.RetryPolicy{OnFailure: true}, berth.RetryPolicy{OnFailure: true}},
		{"an empty list", berth.RetryPolicy{On: []berth.RetryEnd{}}, berth.RetryPolicy{On: []berth.RetryEnd{}}},
		{"the default", berth.RetryPolicy{On: []berth.RetryEnd{"start_failed", "lost"}}, berth.RetryPolicy{}},
		{"all", berth.RetryPolicy{On: []berth.RetryEnd{"oom", "start_failed", "lost", "failure"}}, berth.RetryPolicy{OnFailure: true}},
		{"the default and on_failure", berth.RetryPolicy{OnFailure: true, On: []berth.RetryEnd{"lost", "start_failed"}}, berth.RetryPolicy{OnFailure: true}},
		{"sorted, each once", berth.RetryPolicy{On: []berth.RetryEnd{"oom", "failure", "oom"}}, berth.RetryPolicy{On: []berth.RetryEnd{"failure", "oom"}}},
		{"on_failure and another", berth.RetryPolicy{OnFailure: true, On: []berth.RetryEnd{"lost"}}, berth.RetryPolicy{On: []berth.RetryEnd{"failure", "lost", "oom"}}},
		{"two of the default", berth.RetryPolicy{On: []berth.RetryEnd{"lost", "lost"}}, berth.RetryPolicy{On: []berth.RetryEnd{"lost"}}},
		{"unknown", berth.RetryPolicy{On: []berth.RetryEnd{"x", "lost"}}, berth.RetryPolicy{On: []berth.RetryEnd{"x", "lost"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.MaxAttempts, tt.want.BackoffMS = berth.DefaultMaxAttempts, berth.DefaultBackoffMS
			was := slices.Clone(tt.in.On)
			got := berth.Request{Retry: tt.in}.Normalize().Retry
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !slices.Equal(was, tt.in.On) {
				t.Errorf("the list that was given is %v now", tt.in.On)
			}
		})
	}
}

// Whatever is named, normalizing changes nothing of what is retried, and a second time
// nothing at all.
func TestRetryPolicy_NormalizeMeansTheSame(t *testing.T) {
	for set := range 1 << len(retryEnds) {
		for _, onFailure := range []bool{false, true} {
			p := berth.RetryPolicy{OnFailure: onFailure}
			for i, end := range retryEnds {
				if set>>i&1 == 1 {
					p.On = append(p.On, end)
				}
			}
			got := berth.Request{Retry: p}.Normalize()
			for _, end := range retryEnds {
				named := slices.Contains(p.On, end) || set == 0 && (end == berth.RetryLost || end == berth.RetryStartFailed)
				want := named || onFailure && (end == berth.RetryFailure || end == berth.RetryOOM)
				if p.Retries(end) != want || got.Retry.Retries(end) != want {
					t.Errorf("%+v: %s: %v, normalized %v, want %v", p, end, p.Retries(end), got.Retry.Retries(end), want)
				}
			}
			if again := got.Normalize(); !again.Retry.Equal(got.Retry) {
				t.Errorf("%+v is %+v, and then %+v", p, got.Retry, again.Retry)
			}
		}
	}
}
