package main

import "testing"

// list, get and watch tell of a quota what its tenant is allowed, with what is lent, as explain
// does; and what no worker could ever take waits for that first, whatever the quota has left.
func TestQuota_ToldAlike(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitGood, "2", "tenants", "set", "--cpu", "3", "--guaranteed", "cpu=2", "blue")
		s.want(exitGood, "2", "tenants", "set", "--cpu", "4", "--guaranteed", "cpu=2", "red")
		s.want(exitGood, "red-1", "submit", "--id", "red-1", "--tenant", "red", "--cpu", "3", "--", "sleep", "300")
		s.until("RUNNING", "get", "red-1")
		s.want(exitGood, "blue-1", "submit", "--id", "blue-1", "--tenant", "blue", "--cpu", "2", "--", "sleep", "300")
		const lacks = "it wants 2 cores, and 1 is left of the 1 that it is allowed now"
		s.until(lacks+", with 0 used (2 guaranteed, 1 lent to red", "explain", "blue-1")
		s.until("waits: quota: "+lacks+"\n", "get", "blue-1")
		s.until("waits: quota: "+lacks+"\n", "list", "blue-1")
		s.until(`"allowed":"1000"`, "list", "-o", "json", "blue-1")

		s.want(exitGood, "rack-1", "submit", "--id", "rack-1", "--tenant", "blue", "--cpu", "2", "--constraint", "rack=z", "--", "true")
		s.until("rack-1 waits, and no registered worker could ever take it: ", "explain", "rack-1")
		s.until("nor is there room now in the quota of tenant blue in pool default: "+lacks, "explain", "rack-1")
		s.want(exitGood, "racks", "submit", "--id", "racks", "--tenant", "blue", "--cpu", "1", "--group-size", "2", "--constraint", "rack=z", "--", "true")
		s.until("waits, and the registered workers could never take it, were they empty: 0 of its 2 members fit", "explain", "racks")
		s.until("waits, and the registered workers could never take it, were they empty: 0 of its 2 members fit", "explain", "racks.0")
		s.want(exitGood, "could never take it, were they empty: 0 of its 2 members fit", "explain", "--at", "0s", "racks.0")
		s.want(exitGood, "rack-1 waits, and no registered worker could ever take it: ", "explain", "--at", "0s", "rack-1")
	})
}
