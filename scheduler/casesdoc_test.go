package scheduler_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// beyond are the cases of what is decided beyond where a request fits: a daemon plays them.
const beyond = "../robustness/rules/testdata"

// topics are the folders of the cases, in the order of the page, and what each is about.
var topics = []struct{ folder, title string }{
	{"room", "Amounts"},
	{"ports", "Ports"},
	{"devices", "Devices"},
	{"labels", "Constraints on labels"},
	{"taints", "Taints"},
	{"others", "Where other requests are"},
	{"operator", "Workers that take nothing now"},
	{"choice", "Which of those that fit"},
	{"groups", "Groups"},
	{"kept", "What is kept for a group that waits"},
	{"turns", "Whose turn it is"},
	{"preemption", "Preemption"},
	{"quotas", "Quotas"},
	{"both", "Preemption with quotas"},
	{"loans", "Quotas that are lent"},
	{"times", "Attempts and times"},
}

// TestCasesDoc: docs/cases.md has the title and the prose of each case.
func TestCasesDoc(t *testing.T) {
	of := make(map[string][]caseFile)
	all := append(caseFiles(t, "testdata"), caseFiles(t, beyond)...)
	for _, c := range all {
		of[c.topic] = append(of[c.topic], c)
	}
	var page strings.Builder
	fmt.Fprintf(&page, `# What is placed where: %d cases

Each case is a small fleet, requests in their order, and what the scheduler decides: a file of [scheduler/testdata](../scheduler/testdata), which a
test plays. Those of preemption, quotas, attempts and times are decided by the daemon, and played by one on a store in memory
([robustness/rules/testdata](../robustness/rules/testdata)): what happens, and what comes of each. Together they are the specification of the policy, which [scheduling.md](scheduling.md) tells in formulas and tables. This page is written from their prose
by `+"`go test ./scheduler -update`"+`. *A pair that hurts* is two wishes that are each reasonable and hard to keep together.
`, len(all))
	for _, topic := range topics {
		fmt.Fprintf(&page, "\n## %s\n", topic.title)
		for _, c := range of[topic.folder] {
			prose := strings.Replace(c.prose, "A pair that hurts.", "*A pair that hurts.*", 1)
			fmt.Fprintf(&page, "\n**[%s](%s).** %s\n", c.title, path.Join("../scheduler", filepath.ToSlash(c.path)), prose)
		}
		delete(of, topic.folder)
	}
	for folder := range of {
		t.Errorf("testdata/%s is no topic of the page", folder)
	}
	file := filepath.Join("..", "docs", "cases.md")
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(b), page.String()); diff != "" {
		t.Errorf("docs/cases.md (-want +got); go test ./scheduler -update:\n%s", diff)
	}
}
