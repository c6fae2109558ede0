package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// What is told first is what keeps a request from the nearest worker, not what most
// workers have against it.
func TestPrintExplanation_Waiting(t *testing.T) {
	constraint := &berthv1.Reason{Code: "constraint", Detail: "zone", Workers: 90, Some: []string{"a1", "a2", "a3"}}
	cpu := &berthv1.Reason{Code: "cpu_milli", Workers: 10, Some: []string{"b1"}, Want: 4000, Best: 2500, Total: 8000}
	large := &berthv1.Reason{Code: "cpu_milli", Workers: 10, Some: []string{"b1"}, Want: 16000, Best: 2500, Total: 8000}
	near := func(could bool, r ...*berthv1.Reason) *berthv1.Miss {
		return &berthv1.Miss{Worker: "b1", Could: could, Reasons: r}
	}
	for _, tt := range []struct {
		name string
		e    *berthv1.ExplainResponse
		want []string
	}{
		{
			"short of cpu",
			&berthv1.ExplainResponse{Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{constraint, cpu}, At: 7}, Nearest: near(true, cpu)},
			[]string{
				"r waits for CPU: it wants 4 cores, and b1, the nearest, has 2.5 free of 8 cores",
				"judged at revision 7",
				"nearest: b1: CPU wants 4, has 2.5 free of 8",
				"what would help: 1.5 more CPU free on b1",
			},
		},
		{
			"never",
			&berthv1.ExplainResponse{Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{cpu}}, Nearest: near(false, large)},
			[]string{"no registered worker could ever take it: it wants 16 cores, and b1, the nearest, has 8 in all", "berth plan --add"},
		},
		{
			"never, for more than one reason",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "constraint", Detail: "rack = zz", Workers: 5, Some: []string{"b1"}}}},
				Nearest: near(false, large, &berthv1.Reason{Code: "constraint", Detail: "rack = zz", Workers: 1}),
			},
			[]string{"r waits, and no registered worker could ever take it: its constraint rack = zz does not hold on b1, the nearest\n", "5        constraint rack = zz  -"},
		},
		{
			"never, and an operator's taint",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{large}},
				Nearest: near(false, large, &berthv1.Reason{Code: "taint", Detail: "bad:no_place", Workers: 1}),
			},
			[]string{"r waits, and no registered worker could ever take it: it wants 16 cores, and b1, the nearest, has 8 in all\n", "nearest: b1: CPU wants 16, has 2.5 free of 8; taint bad:no_place\n"},
		},
		{
			"another could, and the nearest never",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(false, cpu, &berthv1.Reason{Code: "constraint", Detail: "berth.spot exists", Workers: 1}),
			},
			[]string{"r waits for a worker that meets its constraints: its constraint berth.spot exists does not hold on b1, the nearest\n"},
		},
		{
			"another could, and the nearest is tainted",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(false, cpu, &berthv1.Reason{Code: "taint", Detail: "gpu:no_place", Workers: 1}),
			},
			[]string{"r waits: b1, the nearest, has the taint gpu:no_place, which it does not tolerate\n"},
		},
		{
			"another could, and the nearest is too small",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{constraint}},
				Nearest: near(false, large, &berthv1.Reason{Code: "custom", Detail: "license", Want: 1, Best: 0, Total: 2, Workers: 1}),
			},
			[]string{"r waits for CPU: it wants 16 cores, and b1, the nearest, has 2.5 free of 8 cores\n"},
		},
		{
			"two constraints",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "constraint", Detail: "nics > 5", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(false, &berthv1.Reason{Code: "constraint", Detail: "nics > 5", Workers: 1}, &berthv1.Reason{Code: "constraint", Detail: "zone = zz", Workers: 1}),
			},
			[]string{"nearest: b1: constraint nics > 5; constraint zone = zz\n", "what would help: a worker on which nics > 5 and zone = zz hold (berth worker --labels), or other constraints\n"},
		},
		{
			"image",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu, {Code: "image", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(false, &berthv1.Reason{Code: "image", Workers: 1, Some: []string{"b1"}}),
			},
			[]string{
				"r waits for a worker that takes images: b1, the nearest, runs commands of its machine, not images\n",
				"1        image", "what would help: a worker that takes images, or no image in the request",
			},
		},
		{
			"no images anywhere",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "image", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(false, &berthv1.Reason{Code: "image", Workers: 1, Some: []string{"b1"}}),
			},
			[]string{"no registered worker could ever take it: b1, the nearest, runs commands of its machine, not images"},
		},
		{
			"cordoned",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(true, &berthv1.Reason{Code: "cordoned", Detail: "kernel", Workers: 1, Some: []string{"b1"}}),
			},
			[]string{"it would fit on b1, which is cordoned: kernel", "what would help: berth uncordon b1"},
		},
		{
			"cordoned, and too little besides",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(true, &berthv1.Reason{Code: "cordoned", Workers: 1}, cpu, &berthv1.Reason{Code: "affinity", Detail: "app=db on the host", Workers: 1}),
			},
			[]string{"r waits: b1, the nearest, is cordoned, and there is more in its way there: CPU, affinity app=db on the host\n"},
		},
		{
			"kept",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu, {Code: "kept", Detail: "train", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(true, &berthv1.Reason{Code: "kept", Detail: "train", Workers: 1, Some: []string{"b1"}}),
			},
			[]string{
				"r waits: 1 worker (b1) has room, but it is kept for group train, which waits, too, until that is placed or gone\n",
				"1        kept for group train", "what would help: group train being placed, or cancelled",
			},
		},
		{
			"a group, for which something is kept",
			&berthv1.ExplainResponse{
				Status: &berthv1.Status{Spec: &berthv1.Request{Group: &berthv1.Membership{Id: "train"}}},
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{
					{Code: "group", Want: 3, Best: 1, Total: 3}, cpu, {Code: "kept", Detail: "train", Workers: 5, Some: []string{"b1", "b2", "b3"}},
				}},
			},
			[]string{"kept for it meanwhile: room on 5 workers (b1, b2, b3 …)\n"},
		},
		{
			"nobody makes room",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu, {Code: "preemption", Detail: "priority"}}},
				Nearest: near(true, cpu),
			},
			[]string{"r waits for CPU", "nobody makes room for it: those whose end would do have its priority, or a higher one\n"},
		},
		{
			"kept on several",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu, {Code: "kept", Detail: "train", Workers: 2, Some: []string{"b1", "b2"}}}},
				Nearest: near(true, &berthv1.Reason{Code: "kept", Detail: "train", Workers: 1, Some: []string{"b1"}}),
			},
			[]string{"r waits: 2 workers (b1, b2) have room, but it is kept for group train, which waits, too, until that is placed or gone\n"},
		},
		{
			"a group, from which something is kept",
			&berthv1.ExplainResponse{
				Status: &berthv1.Status{Spec: &berthv1.Request{Group: &berthv1.Membership{Id: "other"}}},
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{
					{Code: "group", Want: 3, Best: 1, Total: 3}, cpu, {Code: "kept", Detail: "train", Workers: 2, Some: []string{"b1", "b2"}},
				}},
			},
			[]string{"waits: 1 of its 3 members fit, of at least 3; for one more, 10 workers: CPU: wants 4, the best has 2.5 free of 8; 2 workers (b1, b2) have room, but it is kept for group train, which waits, too, until that is placed or gone\n"},
		},
		{
			"tainted",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(true, &berthv1.Reason{Code: "taint", Detail: "flaky=fan:no_place", Workers: 1, Some: []string{"b1"}}),
			},
			[]string{
				"r waits: b1, the nearest, has the taint flaky=fan:no_place, which it does not tolerate\n",
				"what would help: a toleration (--toleration flaky=fan:no_place), or b1 without that taint (berth untaint b1 flaky:no_place)\n",
			},
		},
		{
			"tainted by itself, and full",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "taint", Detail: "gpu:no_place", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(false, cpu, &berthv1.Reason{Code: "taint", Detail: "gpu:no_place", Workers: 1}, &berthv1.Reason{Code: "taint", Detail: "team=x:no_run", Workers: 1}),
			},
			[]string{
				"r waits, and no registered worker could ever take it: b1, the nearest, has the taint team=x:no_run, which it does not tolerate\n",
				"what would help: a toleration (--toleration gpu:no_place), and a toleration (--toleration team=x:no_run), or a worker without (b1 has it of berth worker --taint); " +
					"for it to run on b1, then also 1.5 more CPU free on b1\n",
			},
		},
		{
			"tainted by itself, and too small",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{large}},
				Nearest: near(false, large, &berthv1.Reason{Code: "taint", Detail: "gpu:no_place", Workers: 1}),
			},
			[]string{"what would help: a worker that could take it (berth plan --add tells), or to ask for less\n"},
		},
		{
			"kept away",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(true, &berthv1.Reason{Code: "anti_affinity", Detail: "app=web on the rack", Workers: 1, Some: []string{"b1"}}),
			},
			[]string{"r waits for the end of app=web on the rack of b1, the nearest", "what would help: the end of app=web on the rack of b1"},
		},
		{
			"a port is taken",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(true, &berthv1.Reason{Code: "ports", Detail: "80", Workers: 1, Want: 1, Total: 1}),
			},
			[]string{"r waits: port 80 is taken on b1, the nearest\n", "what would help: the end of what has port 80 on b1, or another port\n"},
		},
		{
			"a port that is not given out",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "ports", Detail: "80", Workers: 1, Want: 1}}},
				Nearest: near(false, cpu, &berthv1.Reason{Code: "ports", Detail: "80", Workers: 1, Want: 1}),
			},
			[]string{
				"r waits, and no registered worker could ever take it: port 80 is none of those that are given out on b1, the nearest\n",
				"port 80 is none of those that are given out on it\n",
				"what would help: another number than 80, of the ports that b1 gives out, or a port without one (--port NAME: any free one), or a worker that gives out 80 (berth worker --ports)\n",
			},
		},
		{
			"a port that is not given out, and too large",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{large}},
				Nearest: near(false, large, &berthv1.Reason{Code: "ports", Detail: "80", Workers: 1, Want: 1}),
			},
			[]string{"what would help: a worker that could take it (berth plan --add tells), or to ask for less; and another number than 80, of the ports that b1 gives out, or a port without one (--port NAME: any free one)\n"},
		},
		{
			"drained, which is cordoned, too",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu}},
				Nearest: near(true, &berthv1.Reason{Code: "draining", Workers: 1}, &berthv1.Reason{Code: "cordoned", Workers: 1}),
			},
			[]string{"it would fit on b1, which is draining\n", "what would help: berth uncordon b1\n"},
		},
		{
			"images nowhere, and suspended",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "image", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(false, &berthv1.Reason{Code: "suspended", Workers: 1}, &berthv1.Reason{Code: "image", Workers: 1}),
			},
			[]string{
				"r waits, and no registered worker could ever take it: b1, the nearest, runs commands of its machine, not images\n",
				"what would help: a worker that takes images, or no image in the request; for it to run on b1, then also the end of the suspension of b1 (",
			},
		},
		{
			"a constraint that holds nowhere, and cordoned",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "constraint", Detail: "zone = b", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(false, &berthv1.Reason{Code: "cordoned", Workers: 1}, &berthv1.Reason{Code: "constraint", Detail: "zone = b", Workers: 1}),
			},
			[]string{
				"r waits, and no registered worker could ever take it: its constraint zone = b does not hold on b1, the nearest\n",
				"or another constraint; for it to run on b1, then also berth uncordon b1\n",
			},
		},
		{
			"suspended, and nothing else",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "suspended", Workers: 1, Some: []string{"b1"}}}},
				Nearest: near(true, &berthv1.Reason{Code: "suspended", Workers: 1}),
			},
			[]string{
				"r waits: it would fit on b1, which is suspended, for its starts fail in a row\n",
				"what would help: the end of the suspension of b1 (it ends by itself: berth workers tells when), and a start that works there (its log tells why they fail)\n",
			},
		},
		{
			"no such pool", &berthv1.ExplainResponse{Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "no_worker", Detail: "dfault", Pools: []string{"default", "gpu"}}}}},
			[]string{"r waits: pool dfault has no worker; pools that have some: default, gpu\njudged at revision 0\n"},
		},
		{
			"no such label",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "topology", Detail: "rack", Workers: 2, Some: []string{"b1", "b2"}}}},
				Nearest: near(true, &berthv1.Reason{Code: "topology", Detail: "rack", Workers: 1}),
			},
			[]string{
				"r waits: no worker of its pool has the label rack, over which its affinity or spread is\n", "2        topology: no label rack  -  ", "what would help: the label rack on b1 (berth worker --labels rack=VALUE)\n",
			},
		},
		{
			"not that label",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{cpu, {Code: "topology", Detail: "rack", Workers: 1, Total: 3}}},
				Nearest: near(true, &berthv1.Reason{Code: "topology", Detail: "rack", Workers: 1, Total: 3}),
			},
			[]string{"r waits: b1, the nearest, lacks the label rack, over which its affinity or spread is; 3 workers of its pool have it\n"},
		},
		{"no worker", &berthv1.ExplainResponse{Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "no_worker", Detail: "p"}}}}, []string{"r waits: pool p has no worker"}},
		{
			"a part of a device",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "device_milli", Detail: "t4", Workers: 2, Want: 300, Best: 250, Total: 1000, Some: []string{"b1", "b2"}}}},
				Nearest: near(true, &berthv1.Reason{Code: "device_milli", Detail: "t4", Workers: 1, Want: 300, Best: 250, Total: 1000}),
			},
			[]string{
				"r waits for a part of a device (t4): it wants 300 thousandths of one, and b1, the nearest, has 250 free on the one with most room\n",
				"2        device_milli t4  300/1000  250/1000   1000/1000  b1, b2\n", "what would help: 50 more thousandths free on one device (t4) of b1\n",
			},
		},
		{
			"a part of a device that is not there",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "device_milli", Detail: "t4", Workers: 2, Want: 300}}},
				Nearest: near(false, &berthv1.Reason{Code: "device_milli", Detail: "t4", Workers: 1, Want: 300}),
			},
			[]string{"no registered worker could ever take it: it wants 300 thousandths of one, and b1, the nearest, has none\n"},
		},
		{
			"more memory than any device has",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{NeverFits: true, Reasons: []*berthv1.Reason{{Code: "device_memory_bytes", Detail: "h100", Workers: 2, Want: 200 << 30, Best: 80 << 30, Total: 80 << 30, Some: []string{"b1", "b2"}}}},
				Nearest: near(false, &berthv1.Reason{Code: "device_memory_bytes", Detail: "h100", Workers: 1, Want: 200 << 30, Best: 80 << 30, Total: 80 << 30}),
			},
			[]string{
				"could ever take it: it wants devices (h100) with 200GiB of memory each, and the largest of b1, the nearest, has 80GiB\n",
				"2        device memory (h100)  200GiB  80GiB      80GiB    b1, b2\n", "nearest: b1: device memory (h100) wants 200GiB, the largest has 80GiB\n",
			},
		},
		{
			"memory of devices that is not known",
			&berthv1.ExplainResponse{
				Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "device_memory_bytes", Detail: "any", Workers: 1, Want: 1 << 30}}},
				Nearest: near(true, &berthv1.Reason{Code: "device_memory_bytes", Detail: "any", Workers: 1, Want: 1 << 30}),
			},
			[]string{
				"r waits for devices (any) with more memory: it wants devices (any) with 1.0GiB of memory each, and the largest of b1, the nearest, has none that is known\n",
				"what would help: 1.0GiB more memory on each device (any) of b1\n",
			},
		},
		{"labels", &berthv1.ExplainResponse{Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{constraint}}, Nearest: near(true, constraint)}, []string{"its constraint zone does not hold on b1, the nearest"}},
		{
			"others make room", &berthv1.ExplainResponse{Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{
				{Code: "claim", Detail: "w7", Workers: 1, Some: []string{"w7"}, Want: 2},
				{Code: "cpu_milli", Workers: 3, Want: 4000, Best: 1000, Total: 8000},
			}}, Nearest: &berthv1.Miss{Worker: "w7", Could: true, Reasons: []*berthv1.Reason{{Code: "cpu_milli", Want: 4000, Best: 1000, Total: 8000}}}},
			[]string{"r waits for 2 requests to end on w7, to make room for it"},
		},
		{"free", &berthv1.ExplainResponse{Verdict: &berthv1.Verdict{}, Since: timestamppb.New(time.Now().Add(-90 * time.Second))}, []string{"r could be placed now", "(90s); judged at"}},
		{
			"free then", &berthv1.ExplainResponse{Verdict: &berthv1.Verdict{At: 40}, Past: &berthv1.Past{Revision: 40, Time: timestamppb.New(time.Now().Add(-time.Hour)), OldestRevision: 3}},
			[]string{"as of revision 40, of ", "the store can tell of revision 3 and what came later\nr could be placed then\n"},
		},
		{
			"next attempt then",
			&berthv1.ExplainResponse{
				Status:  &berthv1.Status{NotBefore: timestamppb.New(time.Now().Add(-50 * time.Minute))},
				Verdict: &berthv1.Verdict{At: 40}, Past: &berthv1.Past{Revision: 40, Time: timestamppb.New(time.Now().Add(-time.Hour))},
			},
			[]string{"r waits for its next attempt, not before "},
		},
		{
			"next attempt at a time that is not known",
			&berthv1.ExplainResponse{
				Status: &berthv1.Status{NotBefore: timestamppb.New(time.Now().Add(-50 * time.Minute))}, Verdict: &berthv1.Verdict{At: 40}, Past: &berthv1.Past{Revision: 40},
			},
			[]string{"as of revision 40; ", "r waits for its next attempt, not before "},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.e.Status == nil {
				tt.e.Status = &berthv1.Status{}
			}
			tt.e.Status.Id, tt.e.Status.State = "r", "PENDING"
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

func TestPrintExplanation_Quota(t *testing.T) {
	for _, tt := range []struct {
		name   string
		reason *berthv1.Reason
		never  bool
		want   []string
	}{
		{
			"cores", &berthv1.Reason{Code: "quota", Detail: "cpu_milli", Want: 2000, Best: 500, Total: 10_000}, false,
			[]string{
				"r waits for the quota of tenant vision in pool gpu: it wants 2 cores, and 0.5 is left of 10",
				"what would help: the end of what uses 1.5 cores of tenant vision in pool gpu, or a larger quota: berth tenants set --pool gpu --cpu 11.5 vision",
			},
		},
		{
			"devices", &berthv1.Reason{Code: "quota", Detail: "devices.h100", Want: 2000, Best: 0, Total: 8000}, false,
			[]string{"it wants 2 of h100, and 0 is left of 8", "--devices h100=10 vision"},
		},
		{
			"more than all", &berthv1.Reason{Code: "quota", Detail: "memory_bytes", Want: 4 << 30, Best: 1 << 30, Total: 2 << 30}, true,
			[]string{"r waits, and could never be placed, for it asks for more than the quota", "what would help: a larger quota: berth tenants set --pool gpu --memory 5GiB vision"},
		},
		{
			"of a device of any type, which another type would do for", &berthv1.Reason{Code: "quota", Detail: "devices.h100", Want: 1000}, false,
			[]string{"r waits for the quota of tenant vision in pool gpu: it wants 1 of h100, and 0 is left of 0"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &berthv1.ExplainResponse{
				Status:  &berthv1.Status{Id: "r", State: "PENDING", Spec: &berthv1.Request{Tenant: "vision", Pool: "gpu"}},
				Verdict: &berthv1.Verdict{NeverFits: tt.never, Reasons: []*berthv1.Reason{tt.reason}},
			}
			var out strings.Builder
			if err := printExplanation(&out, e, nil); err != nil {
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

// Who goes first is told where somebody does.
func TestPrintExplanation_Turn(t *testing.T) {
	e := &berthv1.ExplainResponse{
		Status:  &berthv1.Status{Id: "r", State: "PENDING", Spec: &berthv1.Request{Tenant: "vision", Pool: "gpu"}},
		Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "no_worker", Detail: "gpu"}}},
		Turn:    &berthv1.Turn{Weight: 2, Share: 0.625, Of: "devices", Tenants: 1, Ahead: 12},
	}
	for _, want := range []string{
		"tenant vision is above its share: it has 62.5 % of devices in pool gpu, with a weight of 2; 12 requests of 1 other tenant with less go first\n", "",
	} {
		var out strings.Builder
		if err := printExplanation(&out, e, nil); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) || want == "" && strings.Contains(out.String(), "share") {
			t.Errorf("want %q in:\n%s", want, out.String())
		}
		e.Turn.Ahead = 0
	}
}

// Of a successor it is told whose place it takes, for that stays where it is meanwhile.
func TestPrintExplanation_Successor(t *testing.T) {
	e := &berthv1.ExplainResponse{
		Status:  &berthv1.Status{Id: "web.r2", State: "PENDING", Spec: &berthv1.Request{Replaces: "web"}},
		Verdict: &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "anti_affinity", Detail: "app=web on the host", Workers: 1, Some: []string{"w"}}}},
	}
	const want = "it is to take the place of web, which is there until it runs: it needs room, quota and a place beside that\n"
	var out strings.Builder
	if err := printExplanation(&out, e, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out.String())
	}
	e.Status.Spec.Replaces = ""
	out.Reset()
	if err := printExplanation(&out, e, nil); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "the place of") {
		t.Errorf("of no successor:\n%s", out.String())
	}
}
