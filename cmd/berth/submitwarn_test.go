package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// What would wait for ever because of a name that means nothing is told when it is submitted,
// and by explain; what waits for something that may come is not.
func TestSubmit_WarnsOfNames(t *testing.T) {
	withLocal(t, func(s *shell) {
		const pool = "berth: warning: pool dfault has no workers and is not known; pools: default\n"
		warns := func(want string, args ...string) {
			t.Helper()
			if r := s.do(args...); r.code != 0 || r.err != want {
				t.Errorf("berth %s: exit %d, and says %q, want %q", strings.Join(args, " "), r.code, r.err, want)
			}
		}
		warns(pool, "submit", "--id", "lost", "--pool", "dfault", "--", "true")
		warns(pool, "submit", "-o", "json", "--id", "lost-team", "--pool", "dfault", "--group-size", "2", "--spread", "app=web@rack", "--", "true")
		s.want(0, "lost waits: pool dfault has no worker; pools that have some: default\n", "explain", "lost")
		s.want(0, "waits: pool dfault has no worker; pools that have some: default\n", "explain", "lost-team")
		s.want(0, "what would help: workers of pool dfault, or another pool\n", "explain", "lost-team")
		s.want(3, "waits: pool dfault has no worker; pools that have some: default\n", "plan")

		const label = "waits: no worker of its pool has the label rack, over which its affinity or spread is\n"
		warns("berth: warning: even "+label, "submit", "--id", "even", "--spread", "app=web@rack", "--", "true")
		s.want(0, "even "+label, "explain", "even")
		s.want(0, "what would help: the label rack on w-1 (berth worker --labels rack=VALUE)\n", "explain", "even")
		s.want(0, "racked", "submit", "--id", "racked", "--group-size", "2", "--group-topology", "rack", "--", "true")
		s.want(0, "; 1 worker of its pool without the label rack\n", "explain", "racked")
		file := filepath.Join(t.TempDir(), "many.yaml")
		var text strings.Builder
		for i := range 20 {
			fmt.Fprintf(&text, "- {id: many-%02d, command: [\"true\"], affinity: [{requests: {label: app, value: web}, topology: rack}]}\n", i)
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		warns("berth: warning: many-00 "+label, "submit", "-f", file)

		const none = " waits: no worker of its pool has "
		warns("berth: warning: rak"+none+"the label rak, which its constraints ask for\n", "submit", "--id", "rak", "--constraint", "rak=a", "--constraint", "!rack", "--", "true")
		warns("", "submit", "--quiet", "--id", "rak-2", "--constraint", "rak2=a", "--", "true")
		warns("", "submit", "--id", "not", "--constraint", "!rak", "--constraint", "zone!=b", "--", "true")
		warns("berth: warning: gpu"+none+"devices of type h10 or a10\n", "submit", "-o", "json", "--id", "gpu", "--device", "h10,a10=1", "--", "true")
		warns("berth: warning: some"+none+"the label rak, of which its group is to have one value\n", "submit", "--id", "some", "--group-size", "2", "--group-topology", "rak", "--", "true")

		warns("berth: warning: low"+none+"port 80 to give out\n", "submit", "--id", "low", "--port", "web=80", "--port", "more", "--", "true")
		s.want(0, "w-1 gives out no ports\n", "explain", "low")

		warns(pool, "tenants", "set", "--pool", "dfault", "--cpu", "1", "red")
		warns("", "tenants", "set", "--cpu", "1", "red")
		warns("", "tenants", "unset", "--pool", "dfault", "red")
		s.want(0, "later", "pools", "later", "binpack")
		warns("", "submit", "--id", "soon", "--pool", "later", "--", "true")
		warns("", "submit", "--id", "big", "--cpu", "64", "--", "true")
		warns("", "submit", "--id", "apart", "--anti-affinity", "app=web@rack", "--spread", "app=web@host", "--affinity", "app=web@rack:5", "--", "sleep", "60")
	})
}

func TestPortMissing(t *testing.T) {
	with := func(pool string, first, last int32) *berthv1.Worker {
		return &berthv1.Worker{Pool: pool, Capacity: &berthv1.Capacity{Ports: &berthv1.PortRange{First: first, Last: last}}}
	}
	workers := []*berthv1.Worker{with("p", 20000, 32767), with("p", 20000, 32767), with("p", 8000, 8099), with("q", 80, 89), {Pool: "p"}}
	for _, tt := range []struct {
		number int32
		want   string
	}{
		{80, "port 80 to give out; there are 20000-32767, 8000-8099"},
		{8080, ""},
	} {
		if got := portMissing(tt.number, "p", workers); got != tt.want {
			t.Errorf("%d: %q, want %q", tt.number, got, tt.want)
		}
	}
}

func TestUnknownPool(t *testing.T) {
	var all []*berthv1.Pool
	for i := range 12 {
		all = append(all, &berthv1.Pool{Id: fmt.Sprintf("p%02d", i)})
	}
	for _, tt := range []struct {
		name string
		all  []*berthv1.Pool
		want string
	}{
		{"none", nil, "pool x has no workers, and no pool has any yet"},
		{"two", all[:2], "pool x has no workers and is not known; pools: p00, p01"},
		{"many", all, "pool x has no workers and is not known; pools: p00, p01, p02, p03, p04, p05, p06, p07, p08, p09, and 2 more (berth pools)"},
		{"known", append(all[:2:2], &berthv1.Pool{Id: "x"}), ""},
	} {
		if got := unknownPool(tt.all, "x"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The nearest name is told that somebody has, else the first of those that there are.
func TestNearestOf(t *testing.T) {
	known := map[string]bool{"rack": true, "zone": true, "h100": true}
	for name, want := range map[string]string{
		"rak": "; did you mean rack?", "Rack": "; did you mean rack?", "rcak": "; did you mean rack?", "h10": "; did you mean h100?", "a100": "; did you mean h100?",
		"nvme": "; there are h100, rack, zone", "": "; there are h100, rack, zone",
	} {
		if got := nearestOf(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := nearestOf("rak", nil); got != "" {
		t.Errorf("of none: %q", got)
	}
}
