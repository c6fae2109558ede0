package main

import (
	"strings"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Where no worker is spot, nobody is told that none is.
func TestPrintWorkers_Spot(t *testing.T) {
	plain, spot := &berthv1.Worker{Id: "w1", State: "ready", Pool: "p"}, &berthv1.Worker{Id: "w2", State: "ready", Pool: "p", Spot: true}
	for _, tt := range []struct {
		name string
		all  []*berthv1.Worker
		want []string
	}{
		{"none", []*berthv1.Worker{plain}, []string{"WORKER STATE POOL RUNS", "w1 ready p 0"}},
		{"one", []*berthv1.Worker{plain, spot}, []string{"WORKER STATE POOL SPOT RUNS", "w1 ready p - 0", "w2 ready p yes 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := printWorkers(&out, tt.all, false); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			for i, want := range tt.want {
				if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want+" ") {
					t.Errorf("line %d is %q; want it to begin with %q", i+1, got, want)
				}
			}
		})
	}
}

// A drain that waits for successors says so, and which have no place; nothing stops meanwhile.
func TestWorkerNote_Replacing(t *testing.T) {
	now := time.Now()
	w := &berthv1.Worker{State: "draining", Count: 3, BegunWith: 4, Replacing: 2, Stopping: 1, Unplaced: []string{"web.r2"}}
	if got := workerNote(w, now); got != "3 of 4 left, 1 stopping, 2 being replaced: no place for web.r2" {
		t.Error(got)
	}
	w.Stopping, w.Unplaced = 0, nil
	if got := workerNote(w, now); got != "3 of 4 left, 2 being replaced" {
		t.Error(got)
	}
}

// The types of devices are told of where any worker has some.
func TestPrintWorkers_GPUs(t *testing.T) {
	of := func(types ...string) *berthv1.Capacity {
		c := &berthv1.Capacity{}
		for _, kind := range types {
			c.Devices = append(c.Devices, &berthv1.Device{Type: kind})
		}
		return c
	}
	plain := &berthv1.Worker{Id: "w1", State: "ready", Pool: "p"}
	for _, tt := range []struct {
		name string
		all  []*berthv1.Worker
		want []string
	}{
		{"none", []*berthv1.Worker{plain}, []string{"DEVICES  AGE  NOTE", "-        -"}},
		{"some", []*berthv1.Worker{
			plain,
			{Id: "w2", State: "ready", Pool: "p", Capacity: of("h100", "h100")},
			{Id: "w3", State: "ready", Pool: "p", Capacity: of("t4", "a100", "t4"), Reserved: &berthv1.Share{Devices: []*berthv1.DeviceShare{{Name: "g0"}}}},
		}, []string{"DEVICES  GPUS           AGE  NOTE", "-        -              -", "0/2      2 h100         -", "1/3      1 a100 + 2 t4  -"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := printWorkers(&out, tt.all, false); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			for i, want := range tt.want {
				if !strings.HasSuffix(lines[i], want) {
					t.Errorf("line %d is %q; want %q at its end", i+1, lines[i], want)
				}
			}
		})
	}
}

// Images are told of where any worker takes some.
func TestPrintWorkers_Images(t *testing.T) {
	plain := &berthv1.Worker{Id: "w1", State: "ready", Pool: "p"}
	takes := &berthv1.Worker{Id: "w2", State: "ready", Pool: "p", Images: true}
	holds := &berthv1.Worker{Id: "w3", State: "ready", Pool: "p", Images: true, WarmImages: []string{"serve:1", "train:3"}}
	for _, tt := range []struct {
		name string
		all  []*berthv1.Worker
		want []string
	}{
		{"none", []*berthv1.Worker{plain}, []string{"WARM KEYS ENFORCES", " - - - -"}},
		{"some", []*berthv1.Worker{plain, takes, holds}, []string{"WARM KEYS IMAGES ENFORCES", " - - - -", " any ", " serve:1,train:3 "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := printWorkers(&out, tt.all, true); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			for i, want := range tt.want {
				if got := strings.Join(strings.Fields(lines[i]), " "); !strings.Contains(got, want) {
					t.Errorf("line %d is %q; want %q in it", i+1, got, want)
				}
			}
		})
	}
}

// What a worker has, a wide table tells of all that any has: also disk, custom resources and ports.
func TestPrintWorkers_WideAmounts(t *testing.T) {
	t.Parallel()
	all := []*berthv1.Worker{
		{
			Id: "w1", State: "ready", Pool: "p",
			Capacity: &berthv1.Capacity{DiskBytes: 4 << 30, Custom: map[string]int64{"licence": 4, "slot": 2}, Ports: &berthv1.PortRange{First: 30000, Last: 30009}},
			Reserved: &berthv1.Share{DiskBytes: 1 << 30, Custom: map[string]int64{"licence": 1}, Ports: []int32{30000, 30003}},
		},
		{Id: "w2", State: "ready", Pool: "p"},
	}
	for _, tt := range []struct {
		name string
		wide bool
		want []string
	}{
		{"wide", true, []string{
			"WORKER STATE POOL RUNS CPU MEMORY DISK DEVICES CUSTOM PORTS AGE",
			"w1 ready p 0 0/0 0/0 1.0GiB/4.0GiB - licence 1/4, slot 0/2 2 of 30000-30009 -",
			"w2 ready p 0 0/0 0/0 0/0 - - - -",
		}},
		{"else", false, []string{"WORKER STATE POOL RUNS CPU MEMORY DEVICES AGE", "w1 ready p 0 0/0 0/0 -", "w2 ready p 0 0/0 0/0 -"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := printWorkers(&out, all, tt.wide); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			for i, want := range tt.want {
				if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want+" ") {
					t.Errorf("line %d is %q; want it to begin with %q", i+1, got, want)
				}
			}
		})
	}
}

// Taints stand in the note, behind what else is to say, where they have no column.
func TestPrintWorkers_Tainted(t *testing.T) {
	w := &berthv1.Worker{
		Id: "w1", State: "cordoned", Message: "a disk is replaced",
		Taints: []*berthv1.Taint{{Key: "gpu", Effect: "no_place"}}, OperatorTaints: []*berthv1.Taint{{Key: "k", Value: "v", Effect: "no_run"}},
	}
	x := workersTable{}
	if got := x.note(w); got != "a disk is replaced; tainted: gpu:no_place,k=v:no_run" {
		t.Error(got)
	}
	if w.Message = ""; x.note(w) != "tainted: gpu:no_place,k=v:no_run" {
		t.Error(x.note(w))
	}
	if x.wide = true; x.note(w) != "" {
		t.Error(x.note(w))
	}
}
