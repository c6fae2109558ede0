package main

import (
	"bytes"
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// A group that may have devices of several types is told what its quota has too little of, beside what there is of the others, and not of
// workers that would not help; of types of which one would do it is told either, of others all.
func TestGroupWhy_QuotaOfTypes(t *testing.T) {
	group := &berthv1.Reason{Code: "group", Want: 8, Best: 1, Total: 8, Ever: 2}
	short := func(kind string, want, limit, members int64) *berthv1.Reason {
		return &berthv1.Reason{
			Code: "quota", Detail: "devices." + kind, Want: want, Best: 1000, Total: limit, Ever: members,
			Stands: &berthv1.QuotaStand{Limit: limit, Allowed: limit, Used: limit - 1000},
		}
	}
	const (
		never  = "waits, and could never be placed, for it asks for more than the quota of tenant blue in pool q: "
		beside = " beside what it may have of other types, and 1 is left of "
	)
	for _, tt := range []struct {
		name   string
		v      *berthv1.Verdict
		why    string
		help   string
		listed string
	}{
		{
			"never",
			&berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{group, short("h100", 7000, 1000, 8), short("a100", 7000, 1000, 8)}},
			never + "2 of its 8 members fit, of at least 8; it wants 7 of h100" + beside + "1\n",
			"a larger quota: berth tenants set --pool q --devices h100=7 blue; or a larger quota: berth tenants set --pool q --devices a100=7 blue\n",
			"could never be placed: 2 of its 8 members fit, of at least 8; quota: it wants 7 of h100" + beside + "1; or quota: it wants 7 of a100" + beside + "1",
		},
		{
			"now",
			&berthv1.Verdict{Reasons: []*berthv1.Reason{group, short("h100", 3000, 4000, 8), short("a100", 3000, 1000, 8)}},
			"waits for the quota of tenant blue in pool q: 1 of its 8 members fit, of at least 8; it wants 3 of h100" + beside + "4\n",
			"the end of what uses 2 h100 of tenant blue in pool q, or a larger quota: berth tenants set --pool q --devices h100=6 blue; or a larger quota: berth tenants set --pool q --devices a100=3 blue\n",
			"waits: 1 of its 8 members fit, of at least 8; quota: it wants 3 of h100" + beside + "4; or quota: it wants 3 of a100" + beside + "1",
		},
		{
			"both are needed",
			&berthv1.Verdict{Reasons: []*berthv1.Reason{short("h100", 2000, 2000, 7), short("a100", 2000, 2000, 8)}},
			"waits for the quota of tenant blue in pool q: it wants 2 of h100" + beside + "2, and it wants 2 of a100" + beside + "2\n",
			"the end of what uses 1 h100 of tenant blue in pool q, or a larger quota: berth tenants set --pool q --devices h100=3 blue; and also the end of what uses 1 a100 of tenant blue in pool q, or a larger quota: berth tenants set --pool q --devices a100=3 blue\n",
			"waits: quota: it wants 2 of h100" + beside + "2; quota: it wants 2 of a100" + beside + "2",
		},
		{
			"no worker ever", // and there is no room in the quota now, either
			&berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{group, short("h100", 3000, 4000, 8)}},
			"waits, and the registered workers could never take it, were they empty: 2 of its 8 members fit, of at least 8",
			"more or larger workers",
			"no worker that is registered could ever take it: 2 of its 8 members fit, of at least 8; quota: it wants 3 of h100" + beside + "4",
		},
	} {
		var out bytes.Buffer
		g := &berthv1.Group{State: "PENDING", Spec: &berthv1.Request{Tenant: "blue", Pool: "q"}, Verdict: tt.v}
		if err := printGroup(&out, g, "", nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{tt.why, "what would help: " + tt.help} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in\n%s", tt.name, want, out.String())
			}
		}
		if got := describe(&berthv1.Status{State: "PENDING", Blocked: true, Verdict: tt.v}); got != tt.listed {
			t.Errorf("%s: listed as\n%s\nwant\n%s", tt.name, got, tt.listed)
		}
	}
}
