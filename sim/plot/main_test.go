package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/berthd/berth/sim"
)

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "it")
	b, err := json.Marshal([]sim.TraceResult{{Policy: sim.PolicyBerth, Seed: 3, Series: []sim.Look{{AtMS: 0, Allocated: 10}, {AtMS: 3_600_000, Allocated: 90, Waiting: 4}}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "runs.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"-out", dir, file}, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"berth-3-gpus.svg", "berth-3-waiting.svg"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(text, []byte("<svg")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, groups := range map[string][]sim.GroupRun{"without": nil, "with": {{Name: "g"}}} {
		one := sim.TraceResult{Policy: "p", Preempted: 2, Series: []sim.Look{{}, {AtMS: 1, ForGroups: 5, InGroups: 2, Preempted: 2, ForGroup: 1}}, GroupRuns: groups}
		if err := draw(&one, dir, &out); err != nil {
			t.Fatal(err)
		}
		for file, label := range map[string]string{"p-0-gpus.svg": "idle: for groups", "p-0-waiting.svg": "of these, in groups", "p-0-preemptions.svg": "of these, for groups"} {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || bytes.Contains(text, []byte(label)) != (groups != nil) {
				t.Errorf("%s groups, %s: %q, %v", name, file, label, err)
			}
		}
	}
	if err := run([]string{file + "2"}, &out); err == nil {
		t.Error("no error without the file")
	}
}
