package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func TestReplay(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(0, "out", "run", "--id", "a", "--", "echo", "out")
		s.want(0, "same: decided again, it goes to w-1", "replay", "a")
		s.want(0, "no other worker could take it", "replay", "a")
		s.want(0, `"outcome": "same"`, "replay", "-o", "json", "a")
		s.want(0, `"is": false`, "replay", "-o", "json", "a")
		s.want(0, `"number": 0`, "replay", "-o", "json", "a")
		s.want(0, "no other worker could take it", "explain", "a")
		s.want(exitFailed, "a cannot be replayed: it has no attempt 7: its last one is attempt 1", "replay", "--attempt", "7", "a")
		s.want(0, "no other worker could take it", "explain", "--at", "0s", "a")
		s.want(exitUsage, "attempt", "replay", "--attempt", "-1", "a")
		s.want(exitFailed, "not found", "replay", "nobody")
		s.want(0, "PENDING", "submit", "--id", "big", "--cpu", "64", "--", "true")
		s.want(exitFailed, "big cannot be replayed: it was not placed\n", "replay", "big")
		s.shows("no registered worker could ever take it", "explain", "--at", "0s", "big") // once the watch has told of it
		s.want(0, "group of 2", "submit", "--id", "train", "--cpu", "64", "--group-size", "2", "--", "true")
		s.shows("train.0 waits, and the registered workers could never take it, were they empty: 0 of its 2 members fit, of at least 2", "explain", "--at", "0s", "train.0")
		s.want(exitFailed, "train.1  -        cannot   -          -         it was not placed", "replay", "train")
		s.want(0, "group of 2", "submit", "--id", "team", "--group-size", "2", "--wait", "--", "true")
		s.want(0, "team.1   1        same     w-1        w-1       -\n", "replay", "team")
		s.want(0, `{"id":"team.1","attempt":"1","outcome":"same"`, "replay", "-o", "json", "team")
		s.want(0, "group of 2", "submit", "--id", "part", "--group-size", "2", "--group-min", "1", "--label", "app=part", "--anti-affinity", "app=part", "--", "sleep", "60")
		s.shows("part.0   1        same     w-1        w-1       -\npart.1   -        -        -          -         it was not placed\n", "replay", "part")
		s.want(0, `{"id":"part.1","outcome":"cannot","why":"it was not placed"}`, "replay", "-o", "json", "part")
		s.want(exitFailed, "part.1 cannot be replayed: it was not placed", "replay", "part.1")
		s.want(exitFailed, "part.0   -        cannot   -          -         it has no attempt 7: its last one is attempt 1", "replay", "--attempt", "7", "part")
		s.want(0, "part has ended: 2 CANCELLED", "cancel", "--wait", "part")
		s.want(0, "part.1   -        -        -          -         it was not placed", "replay", "part")
		of := "berth: train is a group: what follows is of its member train.0; berth list --all --group train shows all\n"
		if r := s.want(0, "train.0 waits, and the registered workers could never take it", "explain", "--at", "0s", "train"); r.err != of {
			t.Errorf("of a group that waits: %q", r.err)
		}
		was := s.want(0, "revision", "explain", "-o", "json", "--at", "0s", "train.0")
		at := regexp.MustCompile(`"past": {\s+"revision": "([0-9]+)"`).FindStringSubmatch(was.out)
		s.want(0, "train has ended: 2 CANCELLED", "cancel", "--wait", "train")
		s.want(0, "train.0 is CANCELLED", "explain", "train.0")
		if at == nil {
			t.Fatalf("no revision in:\n%s", was.out)
		}
		if r := s.want(0, "train.0 waits, and the registered workers could never take it", "explain", "--at-revision", at[1], "train"); r.err != of {
			t.Errorf("of a group that has ended: %q", r.err)
		}
		s.want(exitFailed, "explain train.0: at revision 3: not found: it was not there yet, for it was submitted at ", "explain", "--at-revision", "3", "train")
		s.want(exitFailed, "explain nobody: at revision 3: not found\n", "explain", "--at-revision", "3", "nobody")
		s.want(exitFailed, "explain big: at revision 3: not found: it was not there yet, for it was submitted at ", "explain", "--at-revision", "3", "big")
		s.want(exitFailed, "nothing is known of", "explain", "--at", "10h", "big")
		s.want(exitUsage, "is no time", "explain", "--at", "yesterday", "big")
	})
}

func TestPrintReplay_Differs(t *testing.T) {
	var out strings.Builder
	err := printReplay(&out, &berthv1.ReplayResponse{
		Id: "r", Attempt: 2, Outcome: "differs", Revision: 42, Placed: &berthv1.Choice{Worker: "w1", Share: &berthv1.Share{Ports: []int32{80}}},
		Again: &berthv1.Choice{Worker: "w2", Share: &berthv1.Share{Devices: []*berthv1.DeviceShare{{Name: "gpu0", Milli: 500}}}},
		Standings: []*berthv1.Standing{
			{Worker: "w2", Terms: []*berthv1.Term{{Name: "above_bound", Value: "no", Decides: true}, {Name: "load", Value: "1%"}}},
			{Worker: "w1", Terms: []*berthv1.Term{{Name: "above_bound", Value: "yes", Decides: true}, {Name: "load", Value: "2%", Decides: true}}},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"differs: decided again, it goes to w2 gpu0:500", "attempt 2 of r, placed on w1 port 80 at revision 42", "decided by above bound: no against yes"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in:\n%s", want, out.String())
		}
	}
}

// What is too full is no matter of other daemons.
func TestDecidedBy_TooFull(t *testing.T) {
	term := func(value string) *berthv1.Standing {
		return &berthv1.Standing{Terms: []*berthv1.Term{{Name: "other_daemons", Value: value, Decides: true}}}
	}
	if got := decidedBy([]*berthv1.Standing{term("no"), term("too full")}); got != "decided by load: the other one is fuller than the bound" {
		t.Error(got)
	}
	if got := decidedBy([]*berthv1.Standing{term("no"), term("yes")}); got != "decided by other daemons: no against yes" {
		t.Error(got)
	}
}

// Losses are told in whole thousandths of a device, unless they differ by less.
func TestPrintStandings_WholeNumbers(t *testing.T) {
	t.Parallel()
	loss := func(worker, value string) *berthv1.Standing {
		return &berthv1.Standing{Worker: worker, Terms: []*berthv1.Term{{Name: "loss", Value: value, Decides: true}, {Name: "load", Value: "12.5%"}}}
	}
	for want, values := range map[string][2]string{
		"8388  12.5%\nb       runner-up  9001  12.5%\ndecided by loss: 8388 against 9001\n":         {"8387.6875", "9000.5"},
		"8388  12.5%\nb       runner-up  8388  12.5%\ndecided by loss: 8387.6875 against 8387.75\n": {"8387.6875", "8387.75"},
	} {
		var out strings.Builder
		if err := printStandings(&out, []*berthv1.Standing{loss("a", values[0]), loss("b", values[1])}, ""); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("got\n%s\nwant it to end on\n%s", out.String(), want)
		}
	}
}

// A group is kept together: that others could take a member elsewhere is nothing that was judged.
func TestNoOther(t *testing.T) {
	t.Parallel()
	for want, group := range map[string]*berthv1.Membership{
		"no other worker could take it":                            nil,
		"no other worker of its group's rack could take it":        {Size: 2, Topology: "rack"},
		"no other worker of its group's link domain could take it": {Size: 2, Topology: "rack", Linked: true},
	} {
		if got := noOther(group); got != want {
			t.Errorf("of %v: %q, want %q", group, got, want)
		}
	}
}

func TestPrintReplay_Victims(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		of   *berthv1.ReplayedVictims
		want string
	}{
		{"same", &berthv1.ReplayedVictims{Outcome: "same", Revision: 41, Were: []string{"a", "b"}, Again: []string{"a", "b"}}, "a, b made room for it at revision 41: chosen again, the same do\n"},
		{"differs", &berthv1.ReplayedVictims{Outcome: "differs", Why: "others are chosen", Revision: 41, Were: []string{"a"}, Again: []string{"b"}}, "a made room for it at revision 41: chosen again, b would: others are chosen\n"},
		{"cannot", &berthv1.ReplayedVictims{Outcome: "cannot", Why: "it is long ago"}, "others made room for it: that is not chosen again: it is long ago\n"},
		{"of a group", &berthv1.ReplayedVictims{Outcome: "cannot", Why: "of a group", Revision: 41, Were: []string{"a"}}, "a made room for it at revision 41: that is not chosen again: of a group\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := printReplay(&out, &berthv1.ReplayResponse{Id: "r", Attempt: 1, Outcome: tt.of.GetOutcome(), Placed: &berthv1.Choice{Worker: "w"}, Again: &berthv1.Choice{Worker: "w"}, Victims: tt.of}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.of.GetOutcome() != "cannot" && !strings.Contains(out.String(), tt.want) {
				t.Errorf("want %q in:\n%s", tt.want, out.String())
			}
			out.Reset()
			if err := printVictims(&out, tt.of); err != nil || out.String() != tt.want {
				t.Errorf("got %q, %v; want %q", out.String(), err, tt.want)
			}
		})
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"10m": now.Add(-10 * time.Minute), "09:30": now.Add(-150 * time.Minute), "12:00": now, "12:00:01": now.AddDate(0, 0, -1).Add(time.Second), "23:59": now.Add(-12*time.Hour - time.Minute), "09:30:01": now.Add(-150*time.Minute + time.Second),
		"2026-11-25T12:00:00Z": now.AddDate(0, 0, -1), "2026-11-25 12:00:00": now.AddDate(0, 0, -1),
	} {
		if got, err := parseTime("at", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-10m", "noon"} {
		if _, err := parseTime("at", text, now); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
