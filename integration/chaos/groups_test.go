package chaos_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// ofGroup is a line of the client's record of groups: one that was acknowledged.
type ofGroup struct {
	ID     string `json:"id"`
	Size   int    `json:"size"`
	Least  int    `json:"least"`
	Code   int64  `json:"code"`             // that its first member's command exits with
	Cancel bool   `json:"cancel,omitempty"` // of all of it: a cancel was acknowledged, too
}

// groupEvery is how often the client submits one.
const groupEvery = time.Second

// groupPrefix begins the ids of groups, and of their members.
const groupPrefix = "g-"

func (g *ofGroup) member(i int) string { return fmt.Sprintf("%s.%d", g.ID, i) }

func (l *load) groupsPath() string { return filepath.Join(l.dir, "record-groups") }

// groupLane submits groups until enough ends.
func (l *load) groupLane(ctx context.Context, enough <-chan struct{}) error {
	file, err := os.OpenFile(l.groupsPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // each line was synced
	random := rand.New(rand.NewPCG(l.seed, 2+lanes))
	for n := 0; ; n++ {
		select {
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(groupEvery):
		}
		g, r := l.group(random, n)
		if err := l.submit(ctx, random, []*berthv1.Request{r}); err != nil {
			return err
		}
		if g.Cancel {
			if _, err := l.insist(ctx, random, func(ctx context.Context, c *client.Client) error {
				_, err := c.CancelGroup(ctx, g.ID, "by the test")
				if codeOf(err) == client.CodeNotFound { // it has ended
					return nil
				}
				return err
			}); err != nil {
				return err
			}
		}
		line, err := json.Marshal(g)
		if err != nil {
			return err
		}
		if _, err := file.Write(append(line, '\n')); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
	}
}

// group makes one of two to six. Of a fifth, the first member fails; a tenth is cancelled.
func (l *load) group(random *rand.Rand, n int) (ofGroup, *berthv1.Request) {
	g := ofGroup{ID: fmt.Sprintf("%s%06d", groupPrefix, n), Size: 2 + random.IntN(5), Cancel: random.IntN(10) == 0}
	if g.Least = g.Size; random.IntN(3) == 0 {
		g.Least = 1 + random.IntN(g.Size)
	}
	if g.Least == g.Size && random.IntN(5) == 0 {
		g.Code = 3
	}
	d := time.Duration(20+random.IntN(2000)) * time.Millisecond
	return g, &berthv1.Request{
		Id: g.ID, StopTimeoutMs: 500, Retry: &berthv1.RetryPolicy{MaxAttempts: 100},
		Group:     &berthv1.Membership{Size: int64(g.Size), MinCount: int64(g.Least)},
		Resources: &berthv1.Demand{CpuMilli: 100, MemoryBytes: 16 << 20},
		Command: []string{
			l.payload, filepath.Join(l.dir, "trace"), filepath.Join(l.dir, "locks"),
			strconv.FormatInt(d.Milliseconds(), 10), strconv.FormatInt(g.Code, 10), "first",
		},
	}
}

// groupRecord is all groups that were acknowledged.
func (l *load) groupRecord() (out []ofGroup, err error) {
	file, err := os.Open(l.groupsPath())
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // read only
	for in := bufio.NewScanner(file); in.Scan(); {
		var g ofGroup
		if err := json.Unmarshal(in.Bytes(), &g); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// partGroups parts the members of groups from what was submitted by itself.
func partGroups(ended map[string]archived) (alone, members map[string]archived) {
	alone, members = map[string]archived{}, map[string]archived{}
	for id, a := range ended {
		if strings.HasPrefix(id, groupPrefix) {
			members[id] = a
		} else {
			alone[id] = a
		}
	}
	return alone, members
}

// groupDisagreements compares the groups that were acknowledged with how their members
// ended, and with what ran.
func groupDisagreements(record []ofGroup, ended map[string]archived, runs []run) []string {
	of := map[string][]run{}
	for _, r := range runs {
		if id, _, ok := strings.Cut(r.id, "."); ok && strings.HasPrefix(id, groupPrefix) {
			of[id] = append(of[id], r)
		}
	}
	var out []string
	known := map[string]bool{}
	for i := range record {
		g := &record[i]
		for n := range g.Size {
			id := g.member(n)
			known[id] = true
			e, ok := ended[id]
			if !ok {
				out = append(out, id+" was acknowledged with its group, and is lost")
			} else if why := g.wrong(n, e); why != "" {
				out = append(out, fmt.Sprintf("%s of %+v %s: %+v", id, *g, why, e))
			}
		}
		if g.Least == g.Size {
			out = append(out, g.apart(of[g.ID])...)
		}
	}
	for id := range ended {
		if !known[id] {
			out = append(out, id+" ended, and its group was never acknowledged")
		}
	}
	slices.Sort(out)
	return out
}

// wrong says what is not as it should be with a member's end: all succeed, or what has
// not ended before is ended with the group.
func (g *ofGroup) wrong(n int, e archived) string {
	exited := e.Exit != nil && e.Exit.Kind == "exited"
	switch {
	case exited && e.Exit.Code >= 98:
		return "met another container of its request, or could not run"
	case e.State == "CANCELLED" && g.Cancel:
		return ""
	case n == 0 && g.Code != 0:
		if e.State != "FAILED" || !exited || e.Exit.Code != g.Code {
			return "should have failed"
		}
	case e.State == "CANCELLED" && e.Reason == "group" && g.Code != 0:
	case e.State != "SUCCEEDED":
		return "should have succeeded"
	}
	return ""
}

// apart tells of runs that are not after all of the attempt before: where all members are
// needed, each attempt is one of all of them.
func (g *ofGroup) apart(runs []run) (out []string) {
	for _, a := range runs {
		for _, b := range runs {
			if a.attempt < b.attempt && max(a.start, a.end) > b.start {
				out = append(out, fmt.Sprintf("%s ran in attempt %d of its group when %s had begun in attempt %d", a.id, a.attempt, b.id, b.attempt))
			}
		}
	}
	return out
}

func TestGroupDisagreements(t *testing.T) {
	t.Parallel()
	exit := func(code int64) *struct {
		Kind string `json:"kind"`
		Code int64  `json:"code"`
	} {
		return &struct {
			Kind string `json:"kind"`
			Code int64  `json:"code"`
		}{"exited", code}
	}
	good, failed := archived{State: "SUCCEEDED", Exit: exit(0)}, archived{State: "FAILED", Exit: exit(3)}
	along := archived{State: "CANCELLED", Reason: "group"}
	two, fails := ofGroup{ID: "g-0", Size: 2, Least: 2}, ofGroup{ID: "g-0", Size: 2, Least: 2, Code: 3}
	tests := []struct {
		name   string
		of     ofGroup
		first  archived
		second archived
		runs   []run
		want   int
	}{
		{"all succeed", two, good, good, nil, 0},
		{"one is lost", two, good, archived{}, nil, 1},
		{"one goes along with nobody", two, good, along, nil, 1},
		{"one goes along", fails, failed, along, nil, 0},
		{"one had succeeded before", fails, failed, good, nil, 0},
		{"it should have failed", fails, good, good, nil, 1},
		{"cancelled", ofGroup{ID: "g-0", Size: 2, Least: 2, Cancel: true}, archived{State: "CANCELLED"}, good, nil, 0},
		{"attempts one after the other", two, good, good, []run{{id: "g-0.0", attempt: 1, start: 1, end: 2}, {id: "g-0.1", attempt: 2, start: 3, end: 4}}, 0},
		{"attempts at once", two, good, good, []run{{id: "g-0.0", attempt: 1, start: 1, end: 5}, {id: "g-0.1", attempt: 2, start: 3, end: 4}}, 1},
		{"a late start of a former attempt", two, good, good, []run{{id: "g-0.0", attempt: 1, start: 4}, {id: "g-0.1", attempt: 2, start: 3, end: 4}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ended := map[string]archived{"g-0.0": tt.first, "g-0.1": tt.second}
			if tt.second.State == "" {
				delete(ended, "g-0.1")
			}
			if got := groupDisagreements([]ofGroup{tt.of}, ended, tt.runs); len(got) != tt.want {
				t.Errorf("%v, want %d", got, tt.want)
			}
		})
	}
}
