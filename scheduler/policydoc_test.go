package scheduler_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth/scheduler"
)

var schedulingDoc = filepath.Join("..", "docs", "scheduling.md")

// TestPolicyDoc: docs/scheduling.md has the filters and the scorers as they are.
func TestPolicyDoc(t *testing.T) {
	var filters, scorers strings.Builder
	filters.WriteString("| | reason | looks at | keeps off a worker |\n| --- | --- | --- | --- |\n")
	for i, f := range scheduler.FilterRows() {
		fmt.Fprintf(&filters, "| %d | `%s` | %s | %s |\n", i+1, f.Code, f.LooksAt, f.Rejects)
		if f.Rejects == "" {
			t.Errorf("filter %d, %s, says nothing of whom it rejects", i+1, f.Code)
		}
	}
	scorers.WriteString("| | by | better is a worker | points where it is weighed |\n| --- | --- | --- | --- |\n")
	for i, s := range scheduler.ScorerRows() {
		fmt.Fprintf(&scorers, "| %d | %s | %s | %s |\n", i+1, s.Field, s.Prefers, s.Points)
	}
	b, err := os.ReadFile(schedulingDoc)
	if err != nil {
		t.Fatal(err)
	}
	want := string(b)
	got := withTable(t, withTable(t, want, "filters", filters.String()), "scorers", scorers.String())
	if *update {
		if err := os.WriteFile(schedulingDoc, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/scheduling.md (-want +got); go test ./scheduler -update:\n%s", diff)
	}
}

// TestScorers: all that is compared is told of, in the order in which it decides.
func TestScorers(t *testing.T) {
	var told []string
	for _, s := range scheduler.ScorerRows() {
		told = append(told, s.Field)
		if !scheduler.DecidesFirst(s.Field) {
			t.Errorf("%s does not decide before all that stands behind it", s.Field)
		}
	}
	if diff := cmp.Diff(scheduler.ScoreFields(), told); diff != "" {
		t.Errorf("fields of score (-are +told of):\n%s", diff)
	}
}

// withTable is a page with its table of that name replaced.
func withTable(t *testing.T, page, name, table string) string {
	t.Helper()
	mark := "<!-- table of " + name + ", written by go test ./scheduler -update -->\n"
	before, rest, found := strings.Cut(page, mark)
	_, after, ended := strings.Cut(rest, "\n<!-- end -->")
	if !found || !ended {
		t.Fatalf("want %q and <!-- end --> below it", mark)
	}
	return before + mark + table + "\n<!-- end -->" + after
}
