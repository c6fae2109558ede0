package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func TestDescribe(t *testing.T) {
	now := time.Now()
	blocked := func(r *berthv1.Reason) *berthv1.Status {
		return &berthv1.Status{State: "PENDING", Blocked: true, Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{r}}}
	}
	until := timestamppb.New(now.Add(20*time.Second + 500*time.Millisecond))
	for _, tt := range []struct {
		name, state string
		status      *berthv1.Status
		want        string
	}{
		{"drained away", "BLOCKED", blocked(&berthv1.Reason{Code: "draining", Detail: "kernel", Workers: 5, Some: []string{"a", "b", "c"}}), "waits: 5 workers: draining: kernel (a, b, c …)"},
		{"cordoned", "BLOCKED", blocked(&berthv1.Reason{Code: "cordoned", Workers: 1, Some: []string{"a"}}), "waits: 1 worker: cordoned (a)"},
		{"no worker", "BLOCKED", blocked(&berthv1.Reason{Code: "no_worker", Detail: "p"}), "waits: pool p has no worker"},
		{"no worker for a group", "BLOCKED", &berthv1.Status{State: "PENDING", Blocked: true, Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "group", Want: 2, Total: 2}, {Code: "no_worker", Detail: "p"}}}}, "waits: pool p has no worker"},
		{"too little", "BLOCKED", blocked(&berthv1.Reason{Code: "cpu_milli", Workers: 2, Want: 2000, Best: 500, Total: 1000}), "waits: 2 workers: CPU: wants 2, the best has 0.5 free of 1"},
		{"after a restore", "BLOCKED", blocked(&berthv1.Reason{Code: "restored", Detail: until.AsTime().Format(time.RFC3339)}), "waits: the store was restored from a backup, and nothing is placed before "},
		{"again", "PENDING", &berthv1.Status{State: "PENDING", Attempt: 2, Reason: "worker_lost"}, "waits for attempt 2: the last one ended: worker lost"},
		{"lost", "RUNNING", &berthv1.Status{State: "RUNNING", Lost: &berthv1.Loss{Until: until}}, "worker lost; waited for until "},
		{"braked", "RUNNING", &berthv1.Status{State: "RUNNING", Lost: &berthv1.Loss{Until: until, Braked: true}}, "worker lost, with many others; held until "},
		{"lease lives", "RUNNING", &berthv1.Status{State: "RUNNING", Lost: &berthv1.Loss{}}, "worker lost; waited for until its lease is over"},
		{"told to stop", "RUNNING", &berthv1.Status{
			State: "RUNNING", Stop: &berthv1.StopOrder{Reason: "reclaim", Message: "gives back what tenant blue lent", Deadline: until},
			Spec: &berthv1.Request{StopTimeoutMs: 30_000},
		}, "stopping for 9s: reclaim: gives back what tenant blue lent; it is killed at "},
		{"told to stop, and has", "EXITED", &berthv1.Status{
			State: "EXITED", Stop: &berthv1.StopOrder{Reason: "cancel", Deadline: until}, Spec: &berthv1.Request{StopTimeoutMs: 30_000},
		}, "stopping for 9s: cancel"},
		{"runs again", "RUNNING", &berthv1.Status{State: "RUNNING", Attempt: 2, Reason: "reclaimed"}, ""},
		{"ended by a stop", "CANCELLED", &berthv1.Status{State: "CANCELLED", Reason: "cancelled", Message: "too big"}, "cancelled: too big"},
		{"its successor waits", "RUNNING", &berthv1.Status{State: "RUNNING", ReplacedBy: "web.r2", Replacement: "PENDING"}, "runs on until its successor web.r2 does, which has no place yet"},
		{"its successor has ended", "RUNNING", &berthv1.Status{State: "RUNNING", ReplacedBy: "web.r2", Replacement: "FAILED"}, "runs on until a successor does: web.r2 is FAILED, another is made after a pause"},
		{"its successor starts", "RUNNING", &berthv1.Status{State: "RUNNING", ReplacedBy: "web.r2", Replacement: "STARTING"}, "runs on until its successor web.r2 does, which starts"},
		{"its successor runs", "RUNNING", &berthv1.Status{State: "RUNNING", ReplacedBy: "web.r2", Replacement: "RUNNING"}, "being replaced by web.r2"},
		{"replaced", "REPLACED", &berthv1.Status{State: "CANCELLED", Reason: "replaced", ReplacedBy: "web.r2"}, "by web.r2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := stateOf(tt.status); got != tt.state {
				t.Errorf("state %s, want %s", got, tt.state)
			}
			if got := describe(tt.status); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" || tt.state == "EXITED" && got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.Local)
	for want, at := range map[string]time.Time{
		"12:00:20 (in 20s)":            now.Add(20 * time.Second),
		"2026-11-27 12:00:00 (in 24h)": now.Add(24 * time.Hour),
	} {
		if got := clock(timestamppb.New(at), now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestNewReasons(t *testing.T) {
	told := map[string]string{}
	for _, step := range []struct {
		now  map[string]string
		want string
	}{
		{map[string]string{"a": "waits: x", "b": "waits: x", "c": "waits: y"}, "a and 1 more: waits: x|c: waits: y"},
		{map[string]string{"a": "waits: x", "c": "waits: z"}, "c: waits: z"},
		{map[string]string{"c": "waits: z"}, ""},
	} {
		if got := strings.Join(newReasons(told, step.now), "|"); got != step.want {
			t.Errorf("%v: %q, want %q", step.now, got, step.want)
		}
	}
}

func TestBrakeNext(t *testing.T) {
	b := &berthv1.Brake{Pool: "p", State: "engaged", Until: timestamppb.New(time.Now().Add(time.Hour))}
	for _, want := range []string{"held until ", "berth brake release p", "berth brake hold --for 1h p"} {
		if got := brakeNext(b, time.Now()); !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}
