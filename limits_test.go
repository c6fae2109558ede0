package berth_test

import (
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

// TestLimitsDoc compares the table of docs/limits.md with limits.go: every
// constant with its value, and none that is not there.
func TestLimitsDoc(t *testing.T) {
	want := limitConstants(t)
	want["MaxBackoffMS"] = berth.MaxBackoffMS // beside the default that it bounds
	doc, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| [^|]+ \\| ([0-9,]+) [^|]*\\| `(\\w+)` \\|")
	got := map[string]int64{}
	for _, m := range row.FindAllStringSubmatch(string(doc), -1) {
		v, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", m[2], err)
		}
		got[m[2]] = v
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/limits.md (-limits.go +table):\n%s", diff)
	}
}

// limitConstants evaluates the constants of limits.go.
func limitConstants(t *testing.T) map[string]int64 {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "limits.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := (&types.Config{Importer: importer.Default()}).Check("berth", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, name := range pkg.Scope().Names() {
		if c, ok := pkg.Scope().Lookup(name).(*types.Const); ok {
			v, exact := constant.Int64Val(c.Val())
			if !exact {
				t.Fatalf("%s is no int64", name)
			}
			out[name] = v
		}
	}
	return out
}
