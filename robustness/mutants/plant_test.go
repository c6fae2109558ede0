package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// buffer is written to by patches and the control at once.
type buffer struct {
	mu sync.Mutex // guards the text
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// small is a tree in which every sieve is there, and takes no time.
var small = map[string]string{
	"go.mod":                        "module small\n\ngo 1.26\n",
	"etcdstore/x.go":                "package etcdstore\n\n// X is compared.\nfunc X() int { return 1 }\n\n// Y is compared by nobody.\nfunc Y() int { return 1 }\n\n// Z is looked at in its own package.\nfunc Z() int { return 1 }\n",
	"etcdstore/x_test.go":           "package etcdstore\n\nimport \"testing\"\n\nfunc TestZ(t *testing.T) {\n\tif Z() != 1 {\n\t\tt.Error(\"Z is not 1\")\n\t}\n}\n",
	"robustness/rules/x_test.go":    "package rules\n\nimport (\n\t\"testing\"\n\n\t\"small/etcdstore\"\n)\n\nfunc TestX(t *testing.T) {\n\tif etcdstore.X() != 1 {\n\t\tt.Errorf(\"X is %d\", etcdstore.X())\n\t}\n}\n",
	"robustness/rules/none_test.go": "package rules\n",
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func smallTree(t *testing.T, change map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, small)
	write(t, dir, change)
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} {
		if _, err := command(t.Context(), dir, "git", args...); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// of a patch in each state that there is.
func smallPatches(t *testing.T) []patch {
	t.Helper()
	dir := t.TempDir()
	head := func(n string, line string) string {
		return "--- a/etcdstore/x.go\n+++ b/etcdstore/x.go\n@@ -" + n + " +" + n + " @@\n" + line
	}
	write(t, dir, map[string]string{
		"1-found.patch":    head("4", "-func X() int { return 1 }\n+func X() int { return 2 }\n"),
		"2-survives.diff":  "Breaks: Y\n\n" + head("7", "-func Y() int { return 1 }\n+func Y() int { return 2 }\n"),
		"3-own.txt":        head("10", "-func Z() int { return 1 }\n+func Z() int { return 2 }\n"),
		"4-does-not-apply": head("4", "-func Q() int { return 1 }\n+func Q() int { return 2 }\n"),
		"5-does-not-build": head("4", "-func X() int { return 1 }\n+func X() int { return }\n"),
		"6-no-diff.patch":  "nothing\n",
		"README.md":        "not a patch\n",
	})
	patches, err := loadPatches(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	return patches
}

func TestPlant(t *testing.T) {
	t.Parallel()
	var progress buffer
	tree := smallTree(t, nil)
	results, err := plant(t.Context(), tree, smallPatches(t), options{seeds: 1, jobs: 2, limit: time.Minute}, &progress)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"found    1-found by the rules in * s: TestX: X is 2",
		"SURVIVED 2-survives: Y",
		"found    3-own by the own tests in * s: TestZ: Z is not 1",
		"BROKEN   4-does-not-apply: does not apply: *",
		"BROKEN   5-does-not-build: does not build: etcdstore/x.go:4:*",
		"BROKEN   6-no-diff: does not apply: *",
	}
	if len(results) != len(want) {
		t.Fatalf("%d results, want %d", len(results), len(want))
	}
	for i, r := range results {
		if ok, err := filepath.Match(strings.ReplaceAll(want[i], "/", ":"), strings.ReplaceAll(line(r), "/", ":")); err != nil || !ok {
			t.Errorf("got %q, want %q", line(r), want[i])
		}
		if !strings.Contains(progress.String(), line(r)+"\n") {
			t.Errorf("%q was not told as it came", line(r))
		}
	}
	if n := unfound(results); n != 4 {
		t.Errorf("%d not found, want 4", n)
	}
	if text, err := os.ReadFile(tree + "/etcdstore/x.go"); err != nil || string(text) != small["etcdstore/x.go"] {
		t.Errorf("the tree itself was changed: %v\n%s", err, text)
	}
}

// A suite that fails without a bug proves nothing.
func TestPlant_ControlFails(t *testing.T) {
	t.Parallel()
	broken := map[string]string{"robustness/rules/none_test.go": "package rules\n\nimport \"testing\"\n\nfunc TestNever(t *testing.T) { t.Error(\"never\") }\n"}
	_, err := plant(t.Context(), smallTree(t, broken), smallPatches(t), options{seeds: 1, jobs: 1, limit: time.Minute}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "TestNever: never") {
		t.Errorf("got %v, want that TestNever fails", err)
	}
}

// Tests that come to no end are ended, and have found it.
func TestSift_NoEnd(t *testing.T) {
	t.Parallel()
	tree := smallTree(t, map[string]string{"robustness/rules/none_test.go": "package rules\n\nimport \"testing\"\n\nfunc TestWaits(*testing.T) { <-make(chan int) }\n"})
	o, err := sift(t.Context(), tree, sieve{name: sieveRules, args: []string{"-run", "TestWaits", rulesPackage}}, time.Second)
	if err != nil || !o.found || !strings.Contains(o.line, "panic: ") && !strings.Contains(o.line, "deadlock") {
		t.Errorf("%+v, %v, want it found by a panic of the test's limit", o, err)
	}
}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-jobs", "0"}, {"-seeds", "0"}, {"-limit", "1ms"}, {"word"}, {"-no"}} {
		if code := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}); code != exitUsage {
			t.Errorf("%q: exit %d, want %d", args, code, exitUsage)
		}
	}
}
