package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/snapshot"
)

// A group that has to be in one rack is told of the nearest, and of no constraint that nobody wrote.
func TestGroupWhy_NearestRack(t *testing.T) {
	elsewhere := &berthv1.Reason{Code: "elsewhere", Detail: "rack b", Workers: 4, Some: []string{"a1"}}
	gpus := &berthv1.Reason{Code: "devices", Detail: "h100", Workers: 2, Some: []string{"b1", "b2"}, Want: 1, Total: 2}
	for _, tt := range []struct {
		name string
		v    *berthv1.Verdict
		want []string
	}{
		{
			name: "waits",
			v:    &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "group", Detail: "rack", Want: 4, Best: 3, Total: 5, Near: "rack b", There: 2}, gpus, elsewhere}},
			want: []string{
				"waits: 2 of its 5 members fit in rack b, the nearest, of at least 4; there, 2 workers: devices h100: wants 1, the best has 0 free of 2",
				"4        not in rack b  -      -", "what would help: room for 2 more of its members in rack b, the nearest: 1 device (h100) for each\n",
			},
		},
		{
			name: "nobody makes room", // which is no filter's, and of no worker
			v: &berthv1.Verdict{Reasons: []*berthv1.Reason{
				{Code: "group", Detail: "rack", Want: 3, Best: 2, Total: 3, Near: "rack b", There: 1},
				{Code: "anti_affinity", Detail: "app=z on the host", Workers: 1, Some: []string{"b1"}},
				elsewhere,
				{Code: "preemption", Detail: "priority", Want: 3, Best: 1},
			}},
			want: []string{
				"waits: 1 of its 3 members fit in rack b, the nearest, of at least 3\n",
				"nobody makes room for it: those whose end would do have its priority, or a higher one; the end of others would make room for no more of its members than fit now\n",
			},
		},
		{
			name: "never",
			v: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{
				{Code: "group", Detail: "rack", Want: 5, Best: 2, Total: 5, Ever: 4, Near: "rack b", There: 1}, gpus, elsewhere,
			}},
			want: []string{"never take it, were they empty: 4 of its 5 members fit in rack b, the nearest, of at least 5\n"},
		},
		{
			name: "no rack",
			v: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{
				{Code: "group", Detail: "rack", Want: 2, Total: 2}, {Code: "topology", Detail: "rack", Workers: 3, Some: []string{"a1"}},
			}},
			want: []string{"0 of its 2 members fit in one rack, of at least 2; 3 workers of its pool without the label rack", "3        topology: no label rack", "the label rack on enough workers"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printGroup(&out, &berthv1.Group{State: "PENDING", Verdict: tt.v}, "", nil); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), "constraint") {
				t.Errorf("a constraint that nobody wrote:\n%s", out.String())
			}
		})
	}
}

// A group that a taint keeps off some workers is told how an operator takes it back, where it is of his word, and of few.
func TestGroupWhy_Untaint(t *testing.T) {
	const room = "what would help: room for 1 more of its members, or a toleration (--toleration audit=x:no_place)"
	for _, tt := range []struct {
		name  string
		taint *berthv1.Reason
		want  string
	}{
		{"of an operator", &berthv1.Reason{Workers: 1, Some: []string{"a"}, Total: 1}, room + ", or berth untaint a audit:no_place\n"},
		{"on two", &berthv1.Reason{Workers: 2, Some: []string{"a", "b"}, Total: 2}, room + ", or berth untaint a audit:no_place and berth untaint b audit:no_place\n"},
		{"one's own", &berthv1.Reason{Workers: 2, Some: []string{"a", "b"}, Total: 1}, room + "\n"},
		{"on many", &berthv1.Reason{Workers: 4, Some: []string{"a", "b", "c"}, Total: 4}, room + "\n"},
	} {
		tt.taint.Code, tt.taint.Detail = "taint", "audit=x:no_place"
		var out bytes.Buffer
		v := &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "group", Want: 2, Best: 1, Total: 2}, tt.taint}}
		if err := printGroup(&out, &berthv1.Group{State: "PENDING", Verdict: v}, "", nil); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: %q is not in\n%s", tt.name, tt.want, out.String())
		}
	}
}

// Of a group with a spread it is told that there is room which that does not let it have, and where there has to be some first.
func TestGroupWhy_Spread(t *testing.T) {
	spread := &berthv1.Reason{Code: "spread", Detail: "app=g over host: max_skew 1, and the fewest is 0", Workers: 1, Some: []string{"a"}}
	group := &berthv1.Reason{Code: "group", Want: 4, Best: 1, Total: 4}
	for _, tt := range []struct {
		name  string
		other *berthv1.Reason
		want  []string
	}{
		{"full", &berthv1.Reason{Code: "cpu_milli", Workers: 1, Some: []string{"b"}, Want: 1000, Total: 4000}, []string{
			"for one more, 1 worker: CPU: wants 1, the best has 0 free of 4; 1 worker: spread app=g over host: max_skew 1, and the fewest is 0\n",
			"what would help: room for 3 more of its members: 1 core for each, first of all elsewhere than on a, for its spread of app=g over host\n",
		}},
		{"cordoned", &berthv1.Reason{Code: "cordoned", Workers: 1, Some: []string{"b"}}, []string{
			"for one more, 1 worker: cordoned (b); 1 worker: spread app=g over host: max_skew 1, and the fewest is 0\n",
			"what would help: room for 3 more of its members, first of all elsewhere than on a, for its spread of app=g over host, or berth uncordon b\n",
		}},
	} {
		var out bytes.Buffer
		v := &berthv1.Verdict{Reasons: []*berthv1.Reason{group, tt.other, spread}}
		if err := printGroup(&out, &berthv1.Group{State: "PENDING", Verdict: v}, "", nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in\n%s", tt.name, want, out.String())
			}
		}
	}
}

// Of a group that lacks quota and room, both are told: the one alone would not help.
func TestGroupWhy_RoomBeyondQuota(t *testing.T) {
	var out bytes.Buffer
	v := &berthv1.Verdict{Reasons: []*berthv1.Reason{
		{Code: "quota", Detail: "cpu_milli", Want: 2000, Best: 1000, Total: 5000, Stands: &berthv1.QuotaStand{Limit: 5000, Allowed: 5000, Used: 4000}},
		{Code: "group", Want: 2, Best: 1, Total: 2},
		{Code: "cpu_milli", Workers: 1, Some: []string{"a"}, Want: 1000, Total: 8000},
	}}
	if err := printGroup(&out, &berthv1.Group{State: "PENDING", Verdict: v, Spec: &berthv1.Request{Tenant: "blue", Pool: "q"}}, "", nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"waits for the quota of tenant blue in pool q",
		"or a larger quota: berth tenants set --pool q --cpu 6 blue; and beyond that, room for 1 more of its members: 1 core\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// Of a group that neither its whole quota nor any worker could ever take, both are told.
func TestGroupWhy_NeverBoth(t *testing.T) {
	t.Parallel()
	quota := func() *berthv1.Reason {
		return &berthv1.Reason{Code: "quota", Detail: "cpu_milli", Want: 3000, Best: 1000, Total: 1000, Stands: &berthv1.QuotaStand{Limit: 1000, Allowed: 1000}}
	}
	lacks := &berthv1.Reason{Code: "cpu_milli", Workers: 1, Some: []string{"a"}, Want: 1000, Total: 2000}
	spec := &berthv1.Request{Tenant: "blue", Pool: "q"}
	const larger, never = "what would help: a larger quota: berth tenants set --pool q --cpu 3 blue", "nor could the registered workers ever take it, were they empty: 2 of its 3 members fit, of at least 3\n"
	for _, tt := range []struct {
		name string
		room []*berthv1.Reason
		want []string
		not  string
	}{
		{
			"never",
			[]*berthv1.Reason{{Code: "group", Want: 3, Best: 1, Total: 3, Ever: 2}, lacks},
			[]string{never, larger + "; and beyond that, more or larger workers, that 3 of its members fit at once (berth plan --add tells), or to ask for less\n"},
			"room for",
		},
		{
			"not now",
			[]*berthv1.Reason{{Code: "group", Want: 3, Best: 2, Total: 3, Ever: 3}, lacks},
			[]string{larger + "; and beyond that, room for 1 more of its members: 1 core\n"},
			"nor could",
		},
		{"its quota alone", nil, []string{larger + "\n"}, "nor could"},
	} {
		v := &berthv1.Verdict{NeverFits: true, Reasons: append([]*berthv1.Reason{quota()}, tt.room...)}
		var group, member bytes.Buffer
		if err := printGroup(&group, &berthv1.Group{State: "PENDING", Verdict: v, Spec: spec}, "", nil); err != nil {
			t.Fatal(err)
		}
		if err := printWaiting(&member, &berthv1.ExplainResponse{Status: &berthv1.Status{Spec: spec}, Verdict: v}, time.Now()); err != nil {
			t.Fatal(err)
		}
		for who, text := range map[string]string{"group": group.String(), "member": member.String()} {
			for _, want := range append(tt.want, "waits, and could never be placed, for it asks for more than the quota of tenant blue in pool q") {
				if !strings.Contains(text, want) || strings.Contains(text, tt.not) {
					t.Errorf("%s, %s: %q is not in, or %q is\n%s", tt.name, who, want, tt.not, text)
				}
			}
		}
	}
}

// A plan has a line for each, and tells both there.
func TestPlan_NeverBoth(t *testing.T) {
	t.Parallel()
	quota := berth.Reason{Code: berth.ReasonQuota, Detail: "cpu_milli", Want: 3000, Best: 1000, Total: 1000}
	lacks := berth.Reason{Code: berth.ReasonCPU, Workers: 1, Want: 3000, Best: 2000, Total: 2000}
	group := berth.Reason{Code: berth.ReasonGroup, Want: 3, Best: 2, Total: 3, Ever: 2}
	const head = "waits, and could never be placed, for it asks for more than the quota of tenant blue in pool q: it wants 3 cores, and 1 is left of 1"
	for want, o := range map[string]*snapshot.Outcome{
		head: {Verdict: &berth.Verdict{NeverFits: true, Reasons: []berth.Reason{quota}}},
		head + "; nor could the registered workers ever take it, were they empty: 2 of its 3 members fit, of at least 3": {
			Verdict: &berth.Verdict{NeverFits: true, Reasons: []berth.Reason{quota, group, lacks}}, Group: "g",
		},
		head + "; nor could a registered worker ever take it: it wants 3 cores, and w0, the nearest, has 2 in all": {
			Verdict: &berth.Verdict{NeverFits: true, Reasons: []berth.Reason{quota, lacks}}, Nearest: &berth.Miss{Worker: "w0", Reasons: []berth.Reason{lacks}},
		},
	} {
		o.Tenant, o.Pool = "blue", "q"
		if got := whyNot(o, groupsGoing(nil)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
