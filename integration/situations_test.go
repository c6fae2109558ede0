package integration_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite what the commands of docs/situations.md print")

var situationsDoc = filepath.Join("..", "docs", "situations.md")

// TestSituations runs the commands of docs/situations.md, in their order, on a Berth
// as the page says to start it, and compares what they print.
func TestSituations(t *testing.T) {
	b, err := os.ReadFile(situationsDoc)
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(b), "\n## ")
	s := startSituations(t)
	for i := 1; i < len(sections); i++ {
		name, _, _ := strings.Cut(sections[i], "\n")
		t.Run(name, func(t *testing.T) {
			sections[i] = s.play(t, sections[i])
			s.clear(t)
		})
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(situationsDoc, []byte(strings.Join(sections, "\n## ")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// situations is a whole Berth to play them on.
type situations struct {
	api  string
	path string // of the binary, for a shell
}

func startSituations(t *testing.T) *situations {
	t.Helper()
	f := newFleet(t)
	s := &situations{api: freeAddress(t), path: filepath.Dir(binary(t))}
	f.start("dev", nil, binary(t), "dev", "--listen", s.api, "--etcd-listen", f.etcd)
	machines := filepath.Join("..", "docs", "situations", "machines.csv")
	for pool, flags := range map[string][]string{"lab": {"--hollow", machines}, "bad": {"--name", "bad", "--hollow", "1", "--hollow-fail-starts"}} {
		f.start(pool, nil, append([]string{binary(t), "worker", "--pool", pool, "--etcd-endpoints", f.endpoint()}, flags...)...)
	}
	comesAbout(t, "all machines", func() bool { return strings.Count(s.run(t, "berth workers"), " ready ") == 7 })
	return s
}

// play runs the commands of a section, and returns it with what they print now.
func (s *situations) play(t *testing.T, section string) string {
	t.Helper()
	var out []string
	lines := strings.Split(section, "\n")
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		if lines[i] != "```console" {
			continue
		}
		for i++; i < len(lines) && lines[i] != "```"; {
			command, was := lines[i], i+1
			for i++; i < len(lines) && lines[i] != "```" && !strings.HasPrefix(lines[i], "$ "); {
				i++
			}
			out = append(append(out, command), s.command(t, strings.TrimPrefix(command, "$ "), lines[was:i])...)
		}
		out = append(out, "```")
	}
	return strings.Join(out, "\n")
}

// command runs one, and compares. What only looks is tried again, until what is looked
// at has come about; of what changes something, the name that each line begins with is compared,
// for a placement may come a moment later.
func (s *situations) command(t *testing.T, text string, want []string) []string {
	t.Helper()
	verb := strings.Fields(text)[1:]
	looks := slices.Contains([]string{"explain", "get", "groups", "list", "logs", "plan", "workers"}, verb[0]) ||
		verb[0] == "tenants" && verb[1] != "set" && verb[1] != "unset"
	var got []string
	same := func() bool {
		got = strings.Split(strings.TrimSuffix(s.run(t, text), "\n"), "\n")
		for i := range got {
			got[i] = strings.TrimRight(got[i], " ")
		}
		return cmp.Equal(alike(want, looks), alike(got, looks))
	}
	switch {
	case !looks:
		if !same() && !*update {
			t.Errorf("$ %s\n%s", text, cmp.Diff(alike(want, false), alike(got, false)))
		}
	case *update:
		for end := time.Now().Add(5 * time.Second); !same() && time.Now().Before(end); {
			<-time.After(200 * time.Millisecond)
		}
	default:
		for end := time.Now().Add(time.Minute); !same(); <-time.After(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("$ %s (-want +got); after review, go test ./integration -run Situations -update:\n%s", text, cmp.Diff(alike(want, true), alike(got, true)))
				break
			}
		}
	}
	return got
}

// run is what a command prints, on both outputs, in the root of the repository.
func (s *situations) run(t *testing.T, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", text)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "BERTH_ADDRESS="+s.api, "PATH="+s.path+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		t.Fatalf("$ %s: %v", text, err)
	}
	return string(out) // an exit code that is not 0 may be what the page shows
}

// clear ends what a section has left.
func (s *situations) clear(t *testing.T) {
	t.Helper()
	comesAbout(t, "the end of what is left", func() bool {
		table := strings.Split(strings.TrimSpace(s.run(t, "berth list 2>/dev/null")), "\n") // an empty one says so beside
		for _, line := range table[1:] {
			s.run(t, "berth cancel "+strings.Fields(line)[0])
		}
		return len(table) == 1
	})
}

// comesAbout waits for what should be so within a minute or two.
func comesAbout(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// changing is what differs each time: moments, spans, revisions, and how often a start
// was tried.
var changing = regexp.MustCompile(`\d{4}-\d\d-\d\d |\d\d:\d\d:\d\d(\.\d+)?|\+?\b\d+(\.\d+)?(ms|µs|s|m|h)\b|revision \d+|\d+ starts|attempt +\d+( \(\d+ of|, on)`)

// alike is lines without what differs, and with columns of any width.
func alike(lines []string, whole bool) []string {
	var out []string
	for _, line := range lines {
		words := strings.Fields(changing.ReplaceAllString(line, "~"))
		if !whole {
			words = words[:min(len(words), 1)]
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}
