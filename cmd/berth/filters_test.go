package main

import (
	"strings"
	"testing"
)

// Lists are of one pool or tenant where that is asked for; an empty one says so beside its
// head, and where to look.
func TestLists_OfPoolAndTenant(t *testing.T) {
	withLocal(t, func(s *shell) {
		lines := func(n int, says string, args ...string) {
			t.Helper()
			r := s.do(args...)
			if got := strings.Count(r.out, "\n") - 1; r.code != 0 || got != n || r.err != says {
				t.Errorf("berth %s: exit %d, %d lines, and says %q; want %d and %q\n%s", strings.Join(args, " "), r.code, got, r.err, n, says, r.out)
			}
		}
		lines(0, "berth: no request that has not ended; --all shows ended ones, too\n", "list")
		lines(0, "berth: no request\n", "list", "--all")
		lines(0, "berth: no group that has not ended; berth list --all --group GROUP shows the members of one that has\n", "groups")
		lines(0, "berth: no such group that has not ended; berth list --all --group GROUP shows the members of one that has; pool dfault has no workers and is not known; pools: default\n", "groups", "--pool", "dfault")
		lines(0, "berth: no tenant has a limit, uses anything or waits for something\n", "tenants")
		lines(0, "berth: no such tenant has a limit, uses anything or waits for something\n", "tenants", "--pool", "gpu")
		lines(0, "berth: no devices: --devices none offers none\n", "devices", "--devices", "none")
		s.want(0, "a", "submit", "--id", "a", "--tenant", "red", "--", "sleep", "60")
		s.want(0, "b", "submit", "--id", "b", "--tenant", "blue", "--", "sleep", "60")
		s.want(0, "c", "submit", "--id", "c", "--tenant", "red", "--pool", "gpu", "--", "sleep", "60")
		lines(2, "", "list", "--tenant", "red")
		lines(1, "", "list", "--tenant", "red", "--pool", "default")
		lines(0, "berth: no such request that has not ended; --all shows ended ones, too\n", "list", "--tenant", "green")
		lines(0, "berth: no such request that has not ended; --all shows ended ones, too; pool dfault has no workers and is not known; pools: default\n", "list", "--pool", "dfault")
		lines(2, "", "tenants", "--tenant", "red")
		lines(1, "", "tenants", "--tenant", "red", "--pool", "gpu")
		lines(2, "", "tenants", "--pool", "default")
		s.want(0, "[]", "tenants", "-o", "json", "--tenant", "green")
		s.want(0, "group of 2", "submit", "--id", "d", "--group-size", "2", "--", "sleep", "60")
		s.want(0, "group of 2", "submit", "--id", "e", "--group-size", "2", "--pool", "gpu", "--", "sleep", "60")
		lines(2, "", "groups")
		lines(1, "", "groups", "--pool", "gpu")
		lines(1, "", "groups", "--pool", "default")
		lines(1, "", "workers", "--pool", "default")
		lines(0, "berth: pool gpu has no workers and is not known; pools: default\n", "workers", "--pool", "gpu")
		lines(0, "berth: pool gpu has no workers and is not known; pools: default\n", "workers", "--pool", "gpu", "w-1")
	})
}
