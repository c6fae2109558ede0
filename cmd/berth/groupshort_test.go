package main

import (
	"bytes"
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// A group whose members may be anywhere is told what keeps the next one off, and of what room is needed, where that is one thing.
func TestGroupWhy_Short(t *testing.T) {
	group := &berthv1.Reason{Code: "group", Want: 4, Best: 3, Total: 4}
	license := &berthv1.Reason{Code: "custom", Detail: "license", Workers: 5, Some: []string{"w1", "w2", "w3"}, Want: 2, Best: 1, Total: 4}
	cpu := &berthv1.Reason{Code: "cpu_milli", Workers: 1, Some: []string{"w4"}, Want: 4000, Best: 0, Total: 8000}
	for _, tt := range []struct {
		name    string
		never   bool
		reasons []*berthv1.Reason
		want    []string
	}{
		{
			name: "of a custom resource", reasons: []*berthv1.Reason{group, license},
			want: []string{
				"waits: 3 of its 4 members fit, of at least 4; for one more, 5 workers: custom license: wants 2, the best has 1 free of 4\n",
				"what would help: room for 1 more of its members: 2 license\n",
			},
		},
		{
			name: "of CPU", reasons: []*berthv1.Reason{{Code: "group", Want: 4, Best: 2, Total: 4}, cpu, {Code: "cordoned", Workers: 1, Some: []string{"w5"}}},
			want: []string{"what would help: room for 2 more of its members: 4 cores for each, or berth uncordon w5\n"},
		},
		{
			name: "of two", reasons: []*berthv1.Reason{group, license, cpu},
			want: []string{"; for one more, 5 workers: custom license: ", "what would help: room for 1 more of its members\n"},
		},
		{
			name: "of a port", reasons: []*berthv1.Reason{{Code: "group", Want: 4, Best: 2, Total: 4}, {Code: "ports", Detail: "30000", Workers: 3, Want: 1, Total: 1}},
			want: []string{"what would help: port 30000 free on 2 more workers\n"},
		},
		{
			name: "of a part of a device", reasons: []*berthv1.Reason{group, {Code: "device_milli", Detail: "l4", Workers: 3, Want: 600, Best: 500, Total: 1000}},
			want: []string{"what would help: room for 1 more of its members: 600 thousandths of one device (l4)\n"},
		},
		{
			name: "none is", reasons: []*berthv1.Reason{group, {Code: "anti_affinity", Detail: "app=h on the rack", Workers: 3}},
			want: []string{"of at least 4; for one more, 3 workers: anti_affinity app=h on the rack\n", "what would help: room for 1 more of its members\n"},
		},
		{
			name: "others to be near to", reasons: []*berthv1.Reason{group, {Code: "affinity", Detail: "app=db on the host", Workers: 3}},
			want: []string{"what would help: room for 1 more of its members on the host of such requests (app=db)\n"},
		},
		{
			name: "racks", never: true,
			reasons: []*berthv1.Reason{
				{Code: "group", Want: 4, Best: 3, Total: 4, Ever: 3}, {Code: "anti_affinity", Detail: "app=h on the rack", Workers: 5, Some: []string{"w1"}, Want: 4, Best: 0, Total: 3},
			},
			want: []string{
				"were they empty: 3 of its 4 members fit, of at least 4; its members must be apart over rack (anti_affinity app=h), and there are 3 that could have one\n",
				"what would help: a worker in another rack that could take one of its members (berth worker --labels rack=VALUE), or fewer members\n",
			},
		},
		{
			name: "hosts", never: true,
			reasons: []*berthv1.Reason{
				{Code: "group", Want: 4, Best: 0, Total: 4, Ever: 2}, {Code: "anti_affinity", Detail: "app=h on the host", Want: 4, Best: 2, Total: 2}, cpu,
			},
			want: []string{
				"its members must be apart over host (anti_affinity app=h), and there are 2 that could have one\n",
				"what would help: 2 more workers that could take one of its members each (berth plan --add tells), or fewer members\n",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printGroup(&out, &berthv1.Group{State: "PENDING", Verdict: &berthv1.Verdict{NeverFits: tt.never, Reasons: tt.reasons}}, "", nil); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), "0        anti_affinity") {
				t.Errorf("a filter that rejects nobody:\n%s", out.String())
			}
		})
	}
}
