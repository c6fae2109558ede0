package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var told = []result{
	{patch: patch{name: "one", breaks: "a|b"}, outcomes: []outcome{
		{sieve: sieveRules, found: true, line: "TestX/y: not so", took: 3 * time.Second},
		{sieve: sieveSimulation, found: true, line: "TestSim: seed 17: [1m: store: no]", took: 40 * time.Second},
	}},
	{patch: patch{name: "two", breaks: "c"}, outcomes: []outcome{{sieve: sieveOwn, took: time.Second}}},
	{patch: patch{name: "three"}, broken: "does not apply: x"},
}

func TestTable(t *testing.T) {
	t.Parallel()
	const want = `MUTATION  RULE  FOUND BY                    IN
one       a|b   rules, TestX/y; simulation  3 s; seed 17, 40 s
two       c     SURVIVED                    
three           does not apply: x           
`
	if got := table(told); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRewriteDoc(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.md")
	for _, text := range []string{"before\n" + docBegin + "\nold\n" + docEnd + "\nafter\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := rewriteDoc(file, told[:1]); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n" + docBegin + "\n| mutation | rule | found by | in |\n| --- | --- | --- | --- |\n" +
		"| one | a\\|b | rules, TestX/y; simulation | 3 s; seed 17, 40 s |\n" + docEnd + "\nafter\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := os.WriteFile(file, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewriteDoc(file, told); err == nil {
		t.Error("a document without the marks was written to")
	}
}

func TestFirstFailure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, output, want string }{
		{"a test", "--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/b (0.1s)\n        a_test.go:7: not so\n        a_test.go:9: nor so\nFAIL\n", "TestA/b: not so"},
		{"a panic", "--- FAIL: TestA (0s)\npanic: boom [recovered]\n", "TestA panic: boom [recovered]"},
		{"a limit", "panic: test timed out after 1s\n", "panic: test timed out after 1s"},
		{"something else", "signal: killed\nFAIL\n", "signal: killed"},
		{"long", "--- FAIL: TestA (0s)\n    a.go:1: " + strings.Repeat("x", 500), "TestA: " + strings.Repeat("x", 160) + "..."},
	} {
		if got := firstFailure(test.output); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
