package main

import (
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// What would help is not enough where others go first who may take it, and is where it is of no use to them.
func TestPrintExplanation_HelpBehindOthers(t *testing.T) {
	const beyond = "what would help, beyond what those ahead of it take: "
	cpu := &berthv1.Reason{Code: "cpu_milli", Want: 1000, Best: 500, Total: 4000}
	short := &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}}
	nearest := func(reasons ...*berthv1.Reason) *berthv1.Miss {
		return &berthv1.Miss{Worker: "w", Could: true, Reasons: reasons}
	}
	quota := &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "quota", Detail: "cpu_milli", Want: 2000, Best: 500, Total: 10_000}}}
	older, others := &berthv1.Turn{Older: 2, OlderFirst: "o"}, &berthv1.Turn{Tenants: 1, Ahead: 2}
	for _, tt := range []struct {
		name    string
		verdict *berthv1.Verdict
		nearest *berthv1.Miss
		turn    *berthv1.Turn
		victims []*berthv1.Victim
		want    string
	}{
		{"nobody is ahead", short, nearest(cpu), &berthv1.Turn{}, nil, "what would help: 0.5 more CPU free on w\n"},
		{"of the past", short, nearest(cpu), nil, nil, "what would help: 0.5 more CPU free on w\n"},
		{"older ones", short, nearest(cpu), older, nil, beyond + "0.5 more CPU free on w\n"},
		{"those of higher priority", short, nearest(cpu), &berthv1.Turn{Own: 1, OwnFirst: "p", OwnPriority: 3}, nil, beyond + "0.5 more CPU free on w\n"},
		{"another tenant's", short, nearest(cpu), others, nil, beyond + "0.5 more CPU free on w\n"},
		{"who makes room does so for it", short, nearest(cpu), older, []*berthv1.Victim{{Id: "v"}}, "what would help: 0.5 more CPU free on w\n"},
		{"a worker that is cordoned", short, nearest(&berthv1.Reason{Code: "cordoned"}), older, nil, beyond + "berth uncordon w\n"},
		{"that drains", short, nearest(&berthv1.Reason{Code: "draining"}), others, nil, beyond + "berth uncordon w\n"},
		{"that is removed", short, nearest(&berthv1.Reason{Code: "removing"}), older, nil, beyond + "berth uncordon w\n"},
		{"that is not ready", short, nearest(&berthv1.Reason{Code: "not_ready"}), older, nil, beyond + "w getting ready\n"},
		{"that is cordoned, and nobody is ahead", short, nearest(&berthv1.Reason{Code: "cordoned"}), &berthv1.Turn{}, nil, "what would help: berth uncordon w\n"},
		{"and full", short, nearest(&berthv1.Reason{Code: "cordoned"}, cpu), older, nil, beyond + "berth uncordon w, and 0.5 more CPU free on w\n"},
		{"others that it is to be apart from, for those ahead may be such", short, nearest(&berthv1.Reason{Code: "anti_affinity", Detail: "app = v"}), older, nil, beyond},
		{"those that it is to be spread among", short, nearest(&berthv1.Reason{Code: "spread", Detail: "app = v"}), older, nil, beyond},
		{"a constraint is its own", short, nearest(&berthv1.Reason{Code: "constraint", Detail: "zone = z"}), older, nil, "what would help: a worker on which zone = z holds"},
		{"a quota", quota, nil, older, nil, beyond + "the end of what uses 1.5 cores of tenant vision in pool gpu"},
		{"no other tenant takes of its quota", quota, nil, others, nil, "what would help: the end of what uses 1.5 cores of tenant vision in pool gpu"},
		{"but of what it needs then", quota, nearest(cpu), others, nil, beyond + "the end of what uses 1.5 cores of tenant vision in pool gpu"},
		{"a group", &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "group", Want: 2, Best: 1, Total: 2}}}, nil, older, nil, beyond + "room for 1 more of its members\n"},
		{
			"a quota that is less than a group wants, which is to be enough for those ahead as well",
			&berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "quota", Detail: "cpu_milli", Want: 12_000, Best: 500, Total: 10_000}}},
			nil, older, nil, beyond + "a larger quota",
		},
		{"such a quota, of which no other tenant takes", &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "quota", Detail: "cpu_milli", Want: 12_000, Best: 500, Total: 10_000}}}, nil, others, nil, "what would help: a larger quota"},
		{
			"a group needs its quota, and then room that others take",
			&berthv1.Verdict{Reasons: append(quota.GetReasons()[:1:1], &berthv1.Reason{Code: "group", Want: 2, Best: 1, Total: 2})},
			nil, others, nil, beyond + "the end of what uses 1.5 cores of tenant vision in pool gpu",
		},
		{
			"what could never be", &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "cpu_milli", Want: 9000, Best: 500, Total: 4000}}},
			&berthv1.Miss{Worker: "w", Reasons: []*berthv1.Reason{{Code: "cpu_milli", Want: 9000, Best: 500, Total: 4000}}}, older, nil,
			"what would help: a worker that could take it",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &berthv1.ExplainResponse{
				Status:  &berthv1.Status{Id: "r", State: "PENDING", Spec: &berthv1.Request{Tenant: "vision", Pool: "gpu"}},
				Verdict: tt.verdict, Nearest: tt.nearest, Turn: tt.turn, Victims: tt.victims,
			}
			var out strings.Builder
			if err := printExplanation(&out, e, nil); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("want %q in:\n%s", tt.want, out.String())
			}
		})
	}
}
