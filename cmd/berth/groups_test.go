package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func TestGroups(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(0, "group of 4; berth get train", "submit", "--id", "train", "--cpu", "0.5", "--group-size", "4", "--", "sleep", "60")
		s.want(0, "submitted before", "submit", "--id", "train", "--cpu", "0.5", "--group-size", "4", "--", "sleep", "60")
		s.want(exitFailed, "taken by other content", "submit", "--id", "train", "--group-size", "5", "--", "sleep", "60")
		s.want(0, "train  PLACED  4     4         1", "groups")
		s.want(0, "4, at least 4 together", "get", "train")
		s.shows("train.0 is RUNNING on w-1\nWORKER  WAS", "explain", "train")
		s.want(0, "no other worker could take it", "explain", "train")
		s.want(0, "train.3", "list", "--group", "train")
		s.want(0, "group      train", "get", "train.0")

		jobs := filepath.Join(t.TempDir(), "jobs.yaml")
		if err := os.WriteFile(jobs, []byte("{id: wide, command: [sleep, \"60\"], resources: {cpu_milli: 1000}, group: {size: 3}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(0, "group of 3", "submit", "-f", jobs)
		s.want(0, "waits: 2 of its 3 members fit, of at least 3", "explain", "wide")
		s.want(0, "wide.1 waits: 2 of its 3 members fit, of at least 3", "explain", "wide.1")
		s.want(0, "group of 2", "submit", "--id", "linked", "--device", "h100=4", "--group-size", "2", "--group-linked", "--", "true")
		s.want(0, "linked.0 waits, and the registered workers could never take it, were they empty: 0 of its 2 members fit in one link domain, of at least 2: no link domain has 8 free devices (h100), for there is none with such devices", "explain", "linked.0")
		s.want(0, "one link domain", "get", "linked")
		s.want(0, "group of 2", "submit", "--id", "huge", "--cpu", "900", "--group-size", "2", "--", "true")
		never := "waits, and the registered workers could never take it, were they empty: 0 of its 2 members fit, of at least 2; 1 worker: CPU: wants 900, "
		help := "what would help: more or larger workers, that 2 of its members fit at once (berth plan --add tells), or to ask for less"
		for _, id := range []string{"huge", "huge.0"} {
			s.want(0, never, "explain", id)
			s.want(0, help, "explain", id)
		}
		s.want(0, "what would help: room for 1 more of its members: 1 core\n", "explain", "wide")
		s.want(0, "group of 3", "submit", "--id", "later", "--cpu", "1", "--group-size", "3", "--", "true")
		for _, id := range []string{"later", "later.1"} {
			s.want(0, "3 older requests of its own tenant go first: next wide\n", "explain", id)
			s.want(0, "what would help, beyond what those ahead of it take: room for 3 more of its members\n", "explain", id)
		}
		s.want(0, "later has ended: 3 CANCELLED\n", "cancel", "--wait", "later")
		s.want(0, "group of 3", "submit", "--id", "half", "--cpu", "2", "--group-size", "3", "--", "true") // one has room beside train
		s.want(0, "could never take it, were they empty: 2 of its 3 members fit, of at least 3", "explain", "half")
		s.want(0, "could ever take it: 2 of its 3 members fit, of at least 3", "get", "half.0")
		s.want(0, "half has ended: 3 CANCELLED\n", "cancel", "--wait", "half")
		next := filepath.Join(t.TempDir(), "next.yaml")
		if err := os.WriteFile(next, []byte("{id: next, command: [\"true\"], resources: {cpu_milli: 900000}, group: {size: 2}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(exitNotPlaced, never, "plan", "-f", next)
		s.want(0, "is ending", "cancel", "huge")
		s.want(0, "is ending", "cancel", "linked")
		s.shows("state      RUNNING", "get", "train.2")
		s.want(0, "train has ended: 4 CANCELLED\n", "cancel", "--message", "make room", "--wait", "train")
		s.want(0, "cancelled: make room: killed by SIGTERM", "get", "train.2")
		s.shows("wide   PLACED", "groups") // its turn comes behind the end that it waited for
		s.want(exitFailed, "request wide: not found: it is a group; berth list --all --group wide", "list", "wide")
		s.hides("train", "groups")
		for _, verb := range [][]string{{"list", "--all"}, {"cancel"}} {
			s.want(exitFailed, "not found: it is a group that has ended; berth list --all --group train shows", append(verb, "train")...)
		}
		for _, verb := range []string{"get", "explain"} {
			for _, want := range []string{"state       ENDED\n", "members     4 CANCELLED\n", "attempt     1\n", "ended       20", "train.3  CANCELLED  w-1     1 ", "cancelled: make room: killed by SIGTERM"} {
				s.want(0, want, verb, "train")
			}
			s.want(0, `"state": "ENDED"`, verb, "-o", "json", "train")
		}
		s.want(0, "train.3  1        same", "replay", "train")
		s.want(0, "train.3  CANCELLED", "list", "--all", "--group", "train")
		s.want(0, "group of 11", "submit", "--id", "many", "--cpu", "64", "--group-size", "11", "--", "true")
		s.want(0, `"states":{"CANCELLED":"11"}`, "cancel", "-o", "json", "--wait", "many")
		s.hides("many", "groups")
		s.want(0, "members     11 CANCELLED\n", "get", "many")
		var got []struct{ ID, State string }
		r := s.do("groups", "-o", "json")
		if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got) == 0 { // train's record goes after its last member
			t.Errorf("%v: %+v", err, r)
		} else if last := got[len(got)-1]; last.ID != "wide" || last.State != "PLACED" {
			t.Errorf("%+v", r)
		}
		s.shows("state      RUNNING", "get", "wide.1")
		s.want(0, "wide.0 CANCELLED", "cancel", "--wait", "wide.0")
		s.shows("ended  ", "get", "wide.1")
		s.want(0, "too few of its group are left: wide.0 ended CANCELLED: cancelled; this one: killed by SIGTERM", "get", "wide.1")

		s.want(0, "group of 2", "submit", "--id", "pair", "--cpu", "2", "--group-size", "2", "--", "sleep", "60")
		s.shows("state      RUNNING", "get", "pair.1")
		s.want(0, "PENDING", "submit", "--id", "now", "--cpu", "4", "--priority", "9", "--preemption", "lower", "--", "sleep", "60")
		s.shows(": attempt 1, on w-1, was stopped: ", "get", "pair") // before: of the member that came back last
		s.want(0, "makes room for now", "explain", "pair")
	})
}

// shows waits until a command tells so.
func (s *shell) shows(want string, args ...string) {
	s.t.Helper()
	for range 500 {
		if strings.Contains(s.do(args...).out, want) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	s.want(0, want, args...)
}

// hides waits until a command tells so no more.
func (s *shell) hides(gone string, args ...string) {
	s.t.Helper()
	for range 500 {
		if !strings.Contains(s.do(args...).out, gone) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	s.t.Errorf("berth %s still says %q", strings.Join(args, " "), gone)
}

// A group that is linked says where it is, and what the best domain lacks.
func TestLinkedText(t *testing.T) {
	g := &berthv1.Group{Topology: "rack", Domain: "a", Linked: true, Link: "rack7"}
	if got := groupWhere(g); got != "one rack: a, one link domain: rack7" {
		t.Errorf("where: %s", got)
	}
	if got := groupWhere(&berthv1.Group{}); got != "any workers" {
		t.Errorf("where: %s", got)
	}
	v := &berthv1.Verdict{Reasons: []*berthv1.Reason{
		{Code: "group", Detail: "link domain", Want: 2, Best: 1, Total: 2}, {Code: "link", Detail: "any", Want: 8, Best: 5, Total: 8},
	}}
	want := "1 of its 2 members fit in one link domain, of at least 2: no link domain has 8 free devices, the best has 5; the largest has 8 in all"
	if got := groupReasons(v); got != want {
		t.Errorf("why: %s", got)
	}
	if got := wants(&berthv1.Demand{Devices: []*berthv1.DeviceDemand{{Count: 2, Milli: 1000, Linked: true}, {Count: 1, Milli: 1000, Link: "rack7"}}}); !strings.Contains(got, "of one link domain, 1 of any device, a whole one, of link domain rack7") {
		t.Errorf("wants: %s", got)
	}
}

func TestGroups_Usage(t *testing.T) {
	s := &shell{t: t}
	for _, tt := range []struct {
		says string
		args []string
	}{
		{`--group-min "5" is too large; allowed: 1 to 3`, []string{"--group-size", "3", "--group-min", "5"}},
		{`--group-min "0" is too small; allowed: 1 to --group-size`, []string{"--group-size", "3", "--group-min", "0"}},
		{`--group-size "-1" is negative; allowed: 1 to 1000`, []string{"--group-size", "-1"}},
		{"--group-min, --group-topology and --group-linked go with --group-size", []string{"--group-min", "2"}},
		{"--group-min, --group-topology and --group-linked go with --group-size", []string{"--group-linked"}},
		{`--group-topology "host" is no label; allowed: a label that workers have, as rack`, []string{"--group-size", "2", "--group-topology", "host"}},
		{`--group-linked "true" says nothing without devices; allowed: with --device`, []string{"--group-size", "2", "--group-linked"}},
		{`--device: milli "500" does not go with --group-linked; allowed: 1000: whole devices`, []string{"--group-size", "2", "--group-linked", "--device", "h100=1x500"}},
		{`--device: linked "true" says nothing of one device; allowed: a count of 2 or more`, []string{"--device", "h100=1+linked"}},
	} {
		s.want(exitUsage, tt.says, append(append([]string{"submit"}, tt.args...), "--", "true")...)
	}
	s.want(exitUsage, "takes no arguments, got \"train\"; berth get GROUP tells of one", "groups", "train")
}

func TestMembersText(t *testing.T) {
	for want, g := range map[string]*berthv1.Group{
		"1 RUNNING, 2 SUCCEEDED, 1 ended otherwise": {Size: 4, Succeeded: 2, Failed: 1, States: map[string]int64{"RUNNING": 1}},
		"1 RUNNING, 3 ended":                        {Size: 4, State: "ENDING", States: map[string]int64{"RUNNING": 1}},
		"4 ended":                                   {Size: 4, State: "ENDING"},
		"2 PENDING":                                 {Size: 2, States: map[string]int64{"PENDING": 2}},
	} {
		if got := membersText(g); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A group that has ended is told by its members that are kept, when the last of them has.
func TestEndedGroup(t *testing.T) {
	at := func(s int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: s} }
	spec := &berthv1.Request{Group: &berthv1.Membership{Id: "g", Size: 4, MinCount: 2}}
	members := []*berthv1.Status{
		{Id: "g.0", State: "SUCCEEDED", Attempt: 1, Spec: spec, SubmittedAt: at(5), EndedAt: at(20)},
		{Id: "g.1", State: "FAILED", Attempt: 2, Spec: spec, SubmittedAt: at(5), EndedAt: at(30)},
		{Id: "g.3", State: "SUCCEEDED", Attempt: 1, Spec: spec, SubmittedAt: at(4), EndedAt: at(10)},
	}
	g := endedGroup("g", members)
	if g.GetState() != "ENDED" || g.GetSucceeded() != 2 || g.GetFailed() != 1 || g.GetAttempt() != 2 || g.GetSince().GetSeconds() != 30 || len(g.GetMembers()) != 3 {
		t.Errorf("%v", g)
	}
	if got, want := endedMembersText(g), "1 FAILED, 2 SUCCEEDED, 1 not kept any more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if first := firstSubmitted(members); first.GetSeconds() != 4 {
		t.Errorf("submitted at %v", first)
	}
}
