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
		s.want(exitGood, "second waits for the quota of tenant vision in pool default: it wants 1 of CPU, and 0.5 is left of 1.5", "explain", "second")
		s.want(exitGood, "vision  default  CPU  1.5    1     1        1       ", "tenants")
		s.want(exitGood, "vision  default  CPU  1.5    1     1        3       ", "tenants", "set", "--weight", "3", "vision")
		s.want(exitGood, `"weight":"3"`, "tenants", "-o", "json")
		s.want(exitUsage, "weight", "tenants", "set", "--weight", "1001", "vision")
		s.want(exitUsage, "weight", "tenants", "set", "--weight", "0", "vision")
		s.want(exitGood, "2", "tenants", "set", "--cpu", "2", "vision")
		for ended := false; !ended; {
			<-time.After(50 * time.Millisecond)
			ended = strings.Contains(s.do("get", "second").out, "SUCCEEDED")
		}
		s.want(exitGood, "none", "tenants", "unset", "vision")
		s.want(exitFailed, "not found", "tenants", "unset", "nobody")
		s.want(exitGood, "", "cancel", "first")
	})
}
