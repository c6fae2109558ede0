package invariant

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What Berth writes has no field that the checker does not know: the example of each record names all
// that there are.
func TestDecode_Goldens(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "etcdstore", "testdata", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		kind := strings.TrimSuffix(filepath.Base(file), ".json")
		n := name{kind: kind, id: "x1"}
		if kind == "quota_blocks" {
			n.kind = kindBlock
		}
		value, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, problem := decode(n, value); problem != nil && strings.Contains(problem.problem, "is unknown") {
			t.Errorf("%s: %s", kind, problem.problem)
		}
	}
}
