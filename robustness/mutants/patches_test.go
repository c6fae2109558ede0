package main

import (
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// Every planted bug applies to the tree as it is: who changes the protocol moves
// its bugs along. Whether they are found, `make mutants` says.
func TestPatches_Apply(t *testing.T) {
	t.Parallel()
	patches, err := loadPatches(".", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(patches) < 20 {
		t.Errorf("%d planted bugs, want at least 20", len(patches))
	}
	for _, p := range patches {
		file, err := filepath.Abs(p.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := apply(t.Context(), root, file, "--check"); err != nil {
			t.Errorf("%s does not apply: write it anew for the code as it is now: %v", p.name, err)
		}
	}
}

// A planted bug says what it breaks, and which tests that are there find it.
func TestPatches_Headers(t *testing.T) {
	t.Parallel()
	patches, err := loadPatches(".", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range patches {
		if p.breaks == "" || len(p.checks) == 0 || p.seeds == 0 || len(p.dirs) == 0 {
			t.Errorf("%s: Breaks %q, Check %v, Seeds %d, files in %v: want all of them", p.name, p.breaks, p.checks, p.seeds, p.dirs)
		}
		for _, c := range p.checks {
			if tests, err := filepath.Glob(filepath.Join(root, c.pkg, "*_test.go")); err != nil || len(tests) == 0 {
				t.Errorf("%s: %s has no tests", p.name, c.pkg)
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	const diff = "--- a/etcdstore/x.go\t2026-01-01\n+++ b/etcdstore/x.go\n@@ -1 +1 @@\n-a: b\n+Breaks: c\n"
	for _, test := range []struct {
		name, text string
		want       patch
	}{
		{"ours", "Breaks: a rule\nCheck: ./worker TestX|TestY\nCheck: ./daemon\nSeeds: 7\n\n" + diff, patch{
			breaks: "a rule", checks: []check{{"./worker", "TestX|TestY"}, {"./daemon", ""}}, seeds: 7, dirs: []string{"etcdstore"},
		}},
		{"of git format-patch", "From 0 Mon Sep 17\nFrom: a\nSubject: [PATCH] drop it\n\nCheck: nothing\nSeeds: many\n---\n x.go | 1 +\n\ndiff --git a/etcdstore/x.go b/etcdstore/x.go\n" + diff + "-- \n2.43\n", patch{
			breaks: "[PATCH] drop it", dirs: []string{"etcdstore"},
		}},
		{"of a new file", "--- /dev/null\n+++ b/daemon/new.go\n@@ -0,0 +1 @@\n+x\n", patch{dirs: []string{"daemon"}}},
		{"no diff", "hello\n", patch{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got patch
			if err := got.parse([]byte(test.text)); err != nil {
				t.Fatal(err)
			}
			if line(result{patch: got}) != line(result{patch: test.want}) || len(got.checks) != len(test.want.checks) ||
				got.seeds != test.want.seeds || strings.Join(got.dirs, " ") != strings.Join(test.want.dirs, " ") {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
