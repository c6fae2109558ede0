package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// What is told of the past counts from the moment that was asked for: not from now, and not
// from the last change before it.
func TestPrintExplanation_Past(t *testing.T) {
	now := time.Now()
	before := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(-d)) }
	e := &berthv1.ExplainResponse{
		Status:  &berthv1.Status{Id: "r", State: "PENDING", NotBefore: before(9 * time.Minute)},
		Verdict: &berthv1.Verdict{At: 40}, Since: before(11 * time.Minute),
		Past: &berthv1.Past{Revision: 40, Time: before(10*time.Minute + 30*time.Second), OldestRevision: 3},
	}
	for _, tt := range []struct {
		name  string
		asked *timestamppb.Timestamp
		want  []string
	}{
		{"by time", before(10 * time.Minute), []string{"as of revision 40, the newest at ", "(10m ago);", " (in 60s)\n", " (60s); judged at revision 40"}},
		{"by revision", nil, []string{"as of revision 40, of ", "(10m ago);", " (in 90s)\n", " (30s); judged at revision 40"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := printExplanation(&out, e, tt.asked); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("want %q in:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestPrintExplanation_Leaving(t *testing.T) {
	soon := timestamppb.New(time.Now().Add(8*time.Second + 500*time.Millisecond))
	room := &berthv1.StopOrder{Reason: "preempt", Message: "makes room for now", Deadline: soon}
	for _, tt := range []struct {
		name string
		e    *berthv1.ExplainResponse
		want []string
	}{
		{
			"a claimant", &berthv1.ExplainResponse{
				Status:  &berthv1.Status{Id: "now", State: "PENDING"},
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "claim", Detail: "w7", Want: 2}}},
				Victims: []*berthv1.Victim{{Id: "a", Stop: room}, {Id: "b", Stop: &berthv1.StopOrder{Reason: "run_limit"}}},
			},
			[]string{"now waits for 2 requests to end on w7, to make room for it\n", "waited for: a, told to stop (preempt), killed at ", "(in 8s); b, told to stop (run limit), killed now\n"},
		},
		{
			"a victim that stops", &berthv1.ExplainResponse{Status: &berthv1.Status{Id: "a", State: "RUNNING", Worker: "w7", Stop: room}},
			[]string{"a is RUNNING on w7", "it is told to stop: preempt: makes room for now; it is killed at "},
		},
		{
			"a victim that has stopped", &berthv1.ExplainResponse{Status: &berthv1.Status{Id: "a", State: "EXITED", Worker: "w7", Stop: room}},
			[]string{"it is told to stop: preempt: makes room for now\n"},
		},
		{
			"placed, with a group for which others made room",
			&berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "g.0", State: "RUNNING", Worker: "w7"}, NotTold: "it is there because its group was placed together", MadeRoom: &berthv1.MadeRoom{Revision: 9, By: []string{"a", "b"}},
			},
			[]string{"g.0 is RUNNING on w7\na, b made room for its group, told by revision 9\nit is there because its group was placed together\n"},
		},
		{
			"one that others made room for",
			&berthv1.ExplainResponse{Status: &berthv1.Status{Id: "now", State: "RUNNING", Worker: "w7"}, NotTold: "it is there because a made room for it there"},
			[]string{"now is RUNNING on w7\nit is there because a made room for it there\n"},
		},
		{
			"one of which that cannot be told",
			&berthv1.ExplainResponse{Status: &berthv1.Status{Id: "now", State: "RUNNING", Worker: "w7"}, NotTold: "no basis was kept"},
			[]string{"now is RUNNING on w7\nwhy there is not known: no basis was kept\n"},
		},
		{
			"a victim that waits again", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING", Attempt: 3}, Verdict: &berthv1.Verdict{}, Former: &berthv1.Former{Worker: "w7", Revision: 9, Stop: room},
			},
			[]string{"attempt 2, on w7, was stopped: preempt: makes room for now\n"},
		},
		{
			"one that failed and waits again", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING", Attempt: 3, Reason: "exited"}, Verdict: &berthv1.Verdict{},
				Former: &berthv1.Former{Worker: "w7", Revision: 9, Exit: &berthv1.Exit{Kind: "exited", Code: 3, Message: "so it said"}, At: timestamppb.New(time.Now().Add(-time.Minute))},
			},
			[]string{"attempt 2, on w7, ended ", " ago): exit code 3: so it said\n"},
		},
		{
			"one that was killed", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING", Attempt: 2, Reason: "out_of_memory"}, Verdict: &berthv1.Verdict{},
				Former: &berthv1.Former{Worker: "w7", Exit: &berthv1.Exit{Kind: "signaled", Code: 137, Signal: "SIGKILL", OutOfMemory: true}},
			},
			[]string{"attempt 1, on w7, ended: killed by SIGKILL, out of memory\n"},
		},
		{
			"one whose worker was lost", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING", Attempt: 2, Reason: "worker_lost"}, Verdict: &berthv1.Verdict{}, Former: &berthv1.Former{Worker: "w7"},
			},
			[]string{"attempt 1, on w7, ended: worker lost\n"},
		},
		{
			"one that its worker ended", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING", Attempt: 2, Reason: "worker_lost"}, Verdict: &berthv1.Verdict{},
				Former: &berthv1.Former{Worker: "w7", Exit: &berthv1.Exit{Kind: "deadline"}},
			},
			[]string{"attempt 1, on w7, ended: worker lost: deadline\n"},
		},
		{
			"one that has ended", &berthv1.ExplainResponse{
				Status: &berthv1.Status{
					Id: "a", State: "FAILED", Reason: "exited", Worker: "w7", Attempt: 2, Exit: &berthv1.Exit{Kind: "exited", Code: 3}, EndedAt: timestamppb.New(time.Now().Add(-time.Minute)),
					Spec: &berthv1.Request{Retry: &berthv1.RetryPolicy{MaxAttempts: 2}},
				},
			},
			[]string{"a is FAILED on w7: exit code 3\nended ", " ago), attempt 2 (max_attempts 2)\n"},
		},
		{
			"one of long ago", &berthv1.ExplainResponse{Status: &berthv1.Status{Id: "a", State: "PENDING", Attempt: 2, Reason: "start_failed"}, Verdict: &berthv1.Verdict{}},
			[]string{"attempt 1 ended: start failed; the store's history tells no more of it\n"},
		},
		{
			"behind others of its tenant", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING"}, Verdict: &berthv1.Verdict{}, Turn: &berthv1.Turn{Own: 3, OwnFirst: "b", OwnPriority: 900},
			},
			[]string{"3 requests of its own tenant go first, by their priority: next b, with 900\n"},
		},
		{
			"behind one of its tenant", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING"}, Verdict: &berthv1.Verdict{}, Turn: &berthv1.Turn{Own: 1, OwnFirst: "b", OwnPriority: 900},
			},
			[]string{"b of its own tenant goes first: it has priority 900\n"},
		},
		{
			"behind older ones of its tenant", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING"}, Verdict: &berthv1.Verdict{}, Turn: &berthv1.Turn{Older: 348, OlderFirst: "c"},
			},
			[]string{"348 older requests of its own tenant go first: next c\n"},
		},
		{
			"behind an older one of its tenant", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING"}, Verdict: &berthv1.Verdict{}, Turn: &berthv1.Turn{Older: 1, OlderFirst: "c"},
			},
			[]string{"c of its own tenant goes first: it is older\n"},
		},
		{
			"behind more older ones than are counted", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING"}, Verdict: &berthv1.Verdict{}, Turn: &berthv1.Turn{Older: 10_000, OlderFirst: "c"},
			},
			[]string{"at least 10000 older requests of its own tenant go first: next c\n"},
		},
		{
			"behind others of both kinds", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING"}, Verdict: &berthv1.Verdict{}, Turn: &berthv1.Turn{Own: 3, OwnFirst: "b", OwnPriority: 900, Older: 2, OlderFirst: "c"},
			},
			[]string{"3 requests of its own tenant go first, by their priority: next b, with 900; then 2 older ones: next c\n"},
		},
		{
			"behind one of either kind", &berthv1.ExplainResponse{
				Status: &berthv1.Status{Id: "a", State: "PENDING"}, Verdict: &berthv1.Verdict{}, Turn: &berthv1.Turn{Own: 1, OwnFirst: "b", OwnPriority: 900, Older: 1, OlderFirst: "c"},
			},
			[]string{"b of its own tenant goes first: it has priority 900; then c, which is older\n"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := printExplanation(&out, tt.e, nil); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("want %q in:\n%s", want, out.String())
				}
			}
		})
	}
}
