package main

import (
	"strings"
	"testing"
	"time"
)

func TestTenants(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitGood, "1.5", "tenants", "set", "--cpu", "1.5", "--devices", "t4=0.5", "--custom", "license=3", "vision")
		s.want(exitGood, "license  3", "tenants")
		s.want(exitGood, `"devices.t4":"500"`, "tenants", "-o", "json")
		s.want(exitGood, "t4", "tenants", "set", "--custom", "license=none", "vision")
		s.want(exitGood, "", "tenants", "set", "--pool", "lab", "--cpu", "1", "green")
		s.want(exitFailed, "not found; it has one in pool lab: say which by --pool", "tenants", "unset", "green")
		s.want(exitFailed, "not found; berth tenants lists those that there are", "tenants", "unset", "grene")
		s.want(exitGood, "", "tenants", "unset", "--pool", "lab", "green")
		for _, args := range [][]string{
			{"tenants", "set", "vision"},
			{"tenants", "set", "--devices", "t4", "vision"},
			{"tenants", "set", "--cpu", "1", "a", "b"},
			{"tenants", "what"},
			{"tenants", "set", "--cpu", "1", "No such name"},
		} {
			if r := s.do(args...); r.code != exitUsage {
				t.Errorf("berth %v: exit %d\n%s%s", args, r.code, r.out, r.err)
			}
		}
		s.want(exitGood, "", "submit", "--id", "first", "--tenant", "vision", "--cpu", "1", "--", "sleep", "60")
		s.want(exitGood, "", "submit", "--id", "second", "--tenant", "vision", "--cpu", "1", "--", "true")
		s.want(exitGood, "second waits for the quota of tenant vision in pool default: it wants 1 core, and 0.5 is left of 1.5", "explain", "second")
		s.want(exitGood, "what would help: the end of what uses 0.5 cores of tenant vision in pool default, or a larger quota: berth tenants set --pool default --cpu 2 vision", "explain", "second")
		s.want(exitGood, "", "submit", "--id", "both", "--tenant", "vision", "--cpu", "1", "--group-size", "2", "--", "true")
		for _, id := range []string{"both", "both.1"} {
			s.want(exitGood, "waits, and could never be placed, for it asks for more than the quota of tenant vision in pool default: it wants 2 cores, and 0.5 is left of 1.5", "explain", id)
			s.want(exitGood, "what would help, beyond what those ahead of it take: a larger quota: berth tenants set --pool default --cpu 3 vision", "explain", id)
		}
		s.want(exitGood, "", "cancel", "--wait", "both")
		s.want(exitGood, "vision  default  CPU  1.5    1     1        1       ", "tenants")
		s.want(exitGood, "vision  default  CPU  1.5    1     1        3       ", "tenants", "set", "--weight", "3", "vision")
		s.want(exitGood, `"weight":"3"`, "tenants", "-o", "json")
		s.want(exitGood, "red     all   -   none   -     0        3 ", "tenants", "set", "--weight", "3", "red")
		s.want(exitGood, "red     all      -    none   -     0        3 ", "tenants")
		s.want(exitGood, "red     gpu   CPU  1      0     0        3 ", "tenants", "set", "--pool", "gpu", "--cpu", "1", "red")
		if r := s.want(exitGood, "red     gpu   CPU  1      0     0        2 ", "tenants", "set", "--weight", "2", "red"); strings.Contains(r.out, "default") {
			t.Errorf("a weight is of all pools:\n%s", r.out)
		}
		s.want(exitGood, "red     gpu   -   none ", "tenants", "unset", "--pool", "gpu", "red")
		s.want(exitUsage, "weight", "tenants", "set", "--weight", "1001", "vision")
		s.want(exitUsage, "weight", "tenants", "set", "--weight", "0", "vision")
		s.want(exitGood, "2", "tenants", "set", "--cpu", "2", "vision")
		for ended := false; !ended; {
			<-time.After(50 * time.Millisecond)
			ended = strings.Contains(s.do("get", "second").out, "SUCCEEDED")
		}
		s.want(exitGood, "1.5                  -", "tenants", "set", "--guaranteed", "cpu=1.5", "--guaranteed", "devices.t4=0.5", "vision")
		s.want(exitGood, `"guaranteed":{"cpu_milli":"1500","devices.t4":"500"}`, "tenants", "-o", "json")
		s.want(exitUsage, `--guaranteed "cpu=2.5" is more than the limit; allowed: at most 2, or a larger limit: --cpu 2.5`, "tenants", "set", "--guaranteed", "cpu=2.5", "vision")
		s.want(exitUsage, `--guaranteed "disk=1GiB" is of what is not limited; allowed: what has a limit, which is the most that may be used with what is borrowed: --disk 1GiB`, "tenants", "set", "--guaranteed", "disk=1GiB", "vision")
		s.want(exitUsage, "is no part of a quota", "tenants", "set", "--guaranteed", "t4=1", "vision")
		s.want(exitUsage, `cpu "none" takes back the limit of which some is guaranteed; allowed: with --guaranteed cpu=none beside it`, "tenants", "set", "--cpu", "none", "vision")
		s.want(exitUsage, `devices "t4=none" takes back the limit of which some is guaranteed; allowed: with --guaranteed devices.t4=none beside it`, "tenants", "set", "--devices", "t4=none", "vision")
		s.want(exitGood, `"guaranteed":{"cpu_milli":"1500","devices.t4":"500"}`, "tenants", "-o", "json")
		s.want(exitGood, "disk", "tenants", "set", "--disk", "1GiB", "--guaranteed", "disk=1GiB", "vision")
		if r := s.want(exitGood, "CPU", "tenants", "set", "--disk", "none", "--guaranteed", "disk=none", "vision"); strings.Contains(r.out, "disk") {
			t.Errorf("the limit is still there:\n%s", r.out)
		}
		s.want(exitGood, "% of CPU  -  ", "tenants", "set", "--guaranteed", "cpu=none", "vision")
		s.want(exitGood, "LOANS", "tenants", "set", "--cpu", "1", "--guaranteed", "cpu=0", "other")
		s.want(exitGood, "", "submit", "--id", "borrows", "--tenant", "other", "--cpu", "1", "--", "sleep", "60")
		s.want(exitGood, "borrows waits for the quota of tenant other", "explain", "borrows")
		s.want(exitGood, "LOANS", "tenants", "set", "--cpu", "2", "--guaranteed", "cpu=2", "lender")
		lent := func(want string) {
			t.Helper()
			for !strings.Contains(s.do("tenants").out, want) {
				<-time.After(50 * time.Millisecond)
			}
		}
		lent("1 to other")
		s.want(exitGood, "", "submit", "--id", "wants", "--tenant", "lender", "--cpu", "2", "--", "true")
		lent("1 to other (1 wanted back)")
		s.want(exitGood, "it wants 2 cores, and 1 is left of the 1 that it is allowed now, with 0 used (2 guaranteed, 1 lent to other, 0 borrowed; the limit is 2)", "explain", "wants")
		s.want(exitGood, "berth tenants set --pool default --cpu 3 --guaranteed cpu=3 lender", "explain", "wants")
		s.want(exitGood, "; tenant other has borrowed some of it, and gives it back as what uses it ends", "explain", "wants")
		s.want(exitGood, "the end of what uses 1 core of tenant other in pool default, ", "explain", "wants")
		s.want(exitUsage, `reclaim-after "8761h" is out of range; allowed: as 90s or 10m, 0s to 8760h, or none`, "tenants", "set", "--reclaim-after", "8761h", "lender")
		for _, text := range []string{"1ns", "-1ns", "1.5ms"} {
			s.want(exitUsage, `reclaim-after "`+text+`" is finer than a millisecond; allowed: as 90s`, "tenants", "set", "--reclaim-after", text, "lender")
		}
		s.want(exitUsage, `devices "h100=1e3" is no limit`, "tenants", "set", "--devices", "h100=1e3", "lender")
		s.want(exitUsage, "as 90s or 10m, 0s to 8760h, or none", "tenants", "set", "--reclaim-after", "soon", "lender")
		s.want(exitGood, "2 (reclaimed after 10m)", "tenants", "set", "--reclaim-after", "10m", "lender")
		s.want(exitGood, `"reclaim_after_ms":"600000"`, "tenants", "-o", "json")
		s.want(exitGood, "; 1 of it is lent to tenant other, and what uses that is stopped from ", "explain", "wants")
		s.want(exitGood, "2           1 to other (1 wanted back)", "tenants", "set", "--reclaim-after", "none", "lender")
		s.want(exitGood, "2 (reclaimed after 0ms)", "tenants", "set", "--reclaim-after", "0s", "lender")
		for s.do("get", "wants").code == exitGood && !strings.Contains(s.do("get", "wants").out, "SUCCEEDED") {
			<-time.After(50 * time.Millisecond)
		}
		s.want(exitGood, "attempt 1, on w-1, was stopped: reclaim: gives back what tenant lender lent", "explain", "borrows")
		s.want(exitGood, "none", "tenants", "unset", "vision")
		s.want(exitFailed, "not found", "tenants", "unset", "nobody")
		s.want(exitGood, "", "cancel", "first")
	})
}
