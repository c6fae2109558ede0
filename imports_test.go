package berth_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/berthd/berth"

// anyModule allows every module that is not ours.
const anyModule = "*"

// rule says what the packages of one folder (the root is "") may import. The
// standard library and the folder's own packages are allowed unless never
// names them. Both lists hold folders of ours and prefixes of import paths.
type rule struct {
	folder string
	may    []string
	never  []string
	why    string
}

// importRules is the layout of the repository: read it from top to bottom,
// nothing imports what stands below it. CONTRIBUTING.md says it in words.
var importRules = []rule{
	{
		folder: "",
		may:    []string{"github.com/Masterminds/semver"}, // ranges of versions in constraints: pure, without dependencies
		never:  []string{"context", "net", "os", "sync", "log"},
		why:    "the words of every layer: data and checked arithmetic, which the simulator and the tests share",
	},
	{
		folder: "scheduler",
		may:    []string{""},
		never:  []string{"context", "time", "sync", "os", "net", "log", "math/rand"},
		why:    "state in, plan out, the same answer every time: no clock, no goroutine, no store, no log, no hidden randomness",
	},
	{
		folder: "snapshot",
		may:    []string{"", "scheduler"},
		never:  []string{"context", "sync", "os", "net", "log"},
		why:    "a store at one revision as the scheduler sees it, wherever the records come from: the daemon, the simulator and the tools ask it alike",
	},
	{
		folder: "invariant",
		may:    []string{"", "go.etcd.io/etcd/api", "go.etcd.io/etcd/client", "github.com/go-json-experiment/json"},
		why:    "knows docs/keyspace.md only: with the store's or the scheduler's code it would repeat their errors",
	},
	{
		folder: "etcdstore",
		may:    []string{"", anyModule},
		never:  []string{"go.etcd.io/etcd/server"},
		why:    "the only place that knows keys, encodings, transactions, leases and watches; it does not decide",
	},
	{
		folder: "api",
		may:    []string{"", anyModule},
		never:  []string{"go.etcd.io"},
		why:    "the protobuf service, its generated code and its words: a contract, which knows no layer",
	},
	{
		folder: "client",
		may:    []string{"", "api", anyModule},
		never:  []string{"go.etcd.io"},
		why:    "imported by users: it must not drag the store or the scheduler into their programs",
	},
	{
		folder: "worker",
		may:    []string{"", "etcdstore", "api", anyModule},
		never:  []string{"go.etcd.io/etcd/server"},
		why:    "runs what it is given and never judges capacity again: it has no scheduler to do it with",
	},
	{
		folder: "daemon",
		may:    []string{"", "scheduler", "snapshot", "etcdstore", "api", anyModule},
		why:    "wires scheduler and store; only the daemon may carry an etcd server within itself",
	},
	{
		folder: "sim",
		may:    []string{"", "scheduler", "snapshot", "invariant", anyModule},
		never:  []string{"go.etcd.io"},
		why:    "the scheduler as it is, on traces, without a store",
	},
	{
		folder: "systemd",
		why:    "unit files and their test",
	},
	{
		folder: "bench",
		may:    []string{"", "scheduler", "invariant", "etcdstore", "api", "client", "worker", "daemon", anyModule},
		never:  []string{"go.etcd.io/etcd/server"},
		why:    "measures the whole, as a user's program would run it, beside its store's own limit, and the scheduler by itself",
	},
	{
		folder: "integration",
		may:    []string{"", "scheduler", "invariant", "etcdstore", "api", "client", "worker", "daemon", "bench", "snapshot", anyModule},
		why:    "the whole against a real etcd",
	},
	{
		folder: "robustness",
		may:    []string{"", "scheduler", "snapshot", "invariant", "etcdstore", "worker", "daemon", anyModule},
		why:    "the whole protocol against a store, machines and clocks that a seed drives; `sim` is another thing: policies on traces, without a protocol",
	},
	{
		folder: "cmd",
		may:    []string{"", "scheduler", "invariant", "etcdstore", "api", "client", "worker", "daemon", "bench", "sim", "snapshot", anyModule},
		why:    "main: makes the values and wires all",
	},
}

func TestImports(t *testing.T) {
	for _, pkg := range listPackages(t) {
		rule, ok := ruleOf(pkg.folder())
		if !ok {
			t.Errorf("%s has no rule: add its folder to importRules, and to CONTRIBUTING.md, with the reason for it", pkg.ImportPath)
			continue
		}
		for _, path := range pkg.Imports {
			if !rule.allows(path) {
				t.Errorf("%s imports %s, which it must not: %s", pkg.ImportPath, path, rule.why)
			}
		}
	}
}

func TestImportRule_Allows(t *testing.T) {
	tests := []struct {
		name   string
		folder string
		path   string
		want   bool
	}{
		{"std", "scheduler", "slices", true},
		{"forbidden std", "scheduler", "time", false},
		{"forbidden std below", "scheduler", "os/exec", false},
		{"only the name's beginning", "scheduler", "sorted", true},
		{"own folder", "daemon", module + "/daemon/embed", true},
		{"root", "scheduler", module, true},
		{"layer above", "scheduler", module + "/etcdstore", false},
		{"layer allowed", "daemon", module + "/etcdstore", true},
		{"module where none may be", "scheduler", "go.uber.org/zap", false},
		{"module where any may be", "daemon", "go.uber.org/zap", true},
		{"module forbidden", "worker", "go.etcd.io/etcd/server/v3/embed", false},
		{"ours is not any module", "client", module + "/etcdstore", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rule, ok := ruleOf(tt.folder)
			if !ok {
				t.Fatalf("no rule for folder %q", tt.folder)
			}
			if got := rule.allows(tt.path); got != tt.want {
				t.Errorf("folder %q, import %q: allowed %t, want %t", tt.folder, tt.path, got, tt.want)
			}
		})
	}
}

func ruleOf(folder string) (rule, bool) {
	top, _, _ := strings.Cut(folder, "/")
	i := slices.IndexFunc(importRules, func(r rule) bool { return r.folder == top })
	if i < 0 {
		return rule{}, false
	}
	return importRules[i], true
}

func (r rule) allows(path string) bool {
	if slices.ContainsFunc(r.never, func(prefix string) bool { return within(path, prefix) }) {
		return false
	}
	if within(path, module) {
		folder, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"), "/")
		return folder == r.folder || slices.Contains(r.may, folder)
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return true // the standard library: no host in the path
	}
	return slices.ContainsFunc(r.may, func(prefix string) bool {
		return prefix == anyModule || prefix != "" && within(path, prefix)
	})
}

// within reports whether path is prefix or lies below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// listedPackage is what these tests read of `go list -json`.
type listedPackage struct {
	Dir          string
	ImportPath   string
	Imports      []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

func (p listedPackage) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e",
		"-json=Dir,ImportPath,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var packages []listedPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg listedPackage
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		packages = append(packages, pkg)
	}
	if len(packages) == 0 {
		t.Fatal("go list found no package")
	}
	return packages
}
