package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

func TestPlan(t *testing.T) {
	withLocal(t, func(s *shell) {
		dir := t.TempDir()
		jobs := filepath.Join(dir, "jobs.yaml")
		if err := os.WriteFile(jobs, []byte("{id: new-job, command: [\"true\"], resources: {cpu_milli: 3000}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(0, "0 requests would be placed, and 0 would wait", "plan")
		s.want(0, "new-job  new  w-1", "plan", "-f", jobs)
		s.want(0, "big", "submit", "--id", "big", "--cpu", "64", "--env", "TOKEN=secret", "--", "true")
		r := s.want(exitNotPlaced, "1 request would be placed, and 1 would wait", "plan", "-f", jobs)
		if r.err != "" {
			t.Errorf("berth plan says %q", r.err)
		}
		s.want(exitNotPlaced, "it wants 64 cores, and w-1, the nearest, has 4 in all", "plan")
		s.want(0, "big      waiting  new-1", "plan", "--add", "2xcpu=64,memory=1GiB,label.zone=a")
		s.want(exitNotPlaced, "new-job  new      -            waits: 1 worker: cordoned (w-1)", "plan", "-f", jobs, "--cordon", "w-1")
		s.want(exitUsage, "nobody", "plan", "--drain", "nobody")
		s.want(exitUsage, `add "colour" is unknown`, "plan", "--add", "cpu=1,colour=red")

		team := filepath.Join(dir, "team.yaml")
		if err := os.WriteFile(team, []byte("{id: team, command: [\"true\"], resources: {cpu_milli: 1500}, group: {size: 3, min_count: 2}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(exitNotPlaced, "team.0   new      w-1", "plan", "-f", team)
		s.want(exitNotPlaced, "team.0 and 2 more of team  new      -            waits", "plan", "-f", team, "--cordon", "w-1")
		s.want(0, "default", "tenants", "set", "--cpu", "2", "default")
		s.want(exitNotPlaced, "new-job  new      -            waits, and could never be placed, for it asks for more than the quota of tenant default in pool default", "plan", "-f", jobs)
		s.want(0, "default", "tenants", "unset", "default")

		file := filepath.Join(dir, "snapshot")
		taken := s.do("snapshot")
		if taken.code != 0 {
			t.Fatalf("%+v", taken)
		}
		if err := os.WriteFile(file, []byte(taken.out), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(0, "w-1 is cordoned", "cordon", "w-1") // the file knows nothing of it
		s.want(exitNotPlaced, "new-job  new      w-1", "plan", "-f", jobs, "--snapshot", file)
		if r := s.with(taken.out, "plan", "-f", jobs, "--snapshot", "-", "-o", "json"); r.code != exitNotPlaced {
			t.Errorf("%+v", r)
		} else {
			var got forecast
			if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Placed != 1 || got.Waiting != 1 || got.Outcomes[1].Worker != "w-1" {
				t.Errorf("%v: %s", err, r.out)
			}
		}
		s.want(exitUsage, "is not whole", "plan", "--snapshot", "/dev/null")
		s.want(exitFailed, "is yet to come", "snapshot", "--at-revision", "1000000")
		s.want(0, "big  BLOCKED", "list") // nothing was changed
		s.want(0, "w-1 is ready", "uncordon", "w-1")
		s.want(0, "low", "submit", "--id", "low", "--cpu", "3", "--", "sleep", "600")
		hot := filepath.Join(dir, "hot.yaml")
		if err := os.WriteFile(hot, []byte("{id: hot, command: [\"true\"], priority: 9, preemption: lower, resources: {cpu_milli: 3000}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(exitNotPlaced, "hot      new                         w-1          after the end of 1 request: low", "plan", "-f", hot)
		s.want(exitNotPlaced, "low      on w-1, makes room for hot  -", "plan", "-f", hot)
		whole := filepath.Join(dir, "whole.yaml")
		if err := os.WriteFile(whole, []byte("{id: whole, command: [\"true\"], priority: 9, preemption: lower, resources: {cpu_milli: 2000}, group: {size: 2}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(exitNotPlaced, "whole.0  new                           w-1          after the end of 1 request on 1 worker: low", "plan", "-f", whole)
		s.want(exitNotPlaced, "whole.1  new                           w-1          with whole.0", "plan", "-f", whole)
		s.want(exitNotPlaced, "low      on w-1, makes room for whole  -", "plan", "-f", whole)
	})
}

// Of a group, which goes whole, all members count, and its name stands for them.
func TestWhyNot_GroupGoesWhole(t *testing.T) {
	outcomes := []snapshot.Outcome{
		{Request: "now", Worker: "w2", Victims: []berth.RequestID{"low", "g.0", "g.1"}},
		{Request: "low", Kind: snapshot.KindStopped, For: "now"},
		{Request: "g.0", Group: "g", Kind: snapshot.KindStopped, For: "now"},
		{Request: "g.1", Group: "g", Kind: snapshot.KindStopped, For: "now"},
	}
	if got, want := whyNot(&outcomes[0], groupsGoing(outcomes)), "after the end of 3 requests: low, group g"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Of a group who makes room is told with its first member, and on how many workers.
func TestWhyNot_OfAGroup(t *testing.T) {
	outcomes := []snapshot.Outcome{
		{Request: "g.0", Group: "g", Worker: "w1", Victims: []berth.RequestID{"a", "h.0", "h.1"}},
		{Request: "g.1", Group: "g", Worker: "w2"},
		{Request: "a", Kind: snapshot.KindStopped, From: "w1", For: "g"},
		{Request: "h.0", Group: "h", Kind: snapshot.KindStopped, From: "w1", For: "g"},
		{Request: "h.1", Group: "h", Kind: snapshot.KindStopped, From: "w2", For: "g"},
	}
	for i, want := range []string{"after the end of 3 requests on 2 workers: a, group h", "with g.0", ""} {
		if got := whyNot(&outcomes[i], groupsGoing(outcomes)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	outcomes[0].Victims = nil
	for i := range 40 {
		outcomes[0].Victims = append(outcomes[0].Victims, berth.RequestID(fmt.Sprintf("v%02d", i)))
	}
	if got := whyNot(&outcomes[0], groupsGoing(outcomes)); !strings.HasSuffix(got, ", v31, and 8 more") {
		t.Errorf("%q", got)
	}
}

func TestAdditionOf(t *testing.T) {
	for text, want := range map[string]snapshot.Addition{
		"w1":        {Count: 1, Like: "w1", Pool: "default"},
		"3xw1":      {Count: 3, Like: "w1", Pool: "default"},
		"spot=true": {Count: 1, Pool: "default", Spot: true},

		"images=true": {Count: 1, Pool: "default", Images: true},
		"2xcpu=8,memory=1GiB,pool=batch,label.zone=a,device.h100=2,custom.lic=4": {
			Count: 2, Pool: "batch", Labels: map[string]string{"zone": "a"},
			Capacity: berth.Capacity{
				Quantities: berth.Quantities{CPUMilli: 8000, MemoryBytes: 1 << 30, Custom: map[string]int64{"lic": 4}},
				Devices:    []berth.Device{{Name: "h100-000", Type: "h100"}, {Name: "h100-001", Type: "h100"}},
			},
		},
	} {
		got, err := additionOf(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"cpu=8,w1", "cpu=x", "device.h100=-1", "spot=perhaps", "images=some", "gpu=1"} {
		if _, err := additionOf(text); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
