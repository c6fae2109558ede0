package main

import "testing"

// Of a group that waits for its backoff, and of each of its members, it is told until when, whose backoff that is, who
// expires when, and by whose end the attempt before ended, now and of the past.
func TestGroupWait_Told(t *testing.T) {
	withLocal(t, func(s *shell) {
		submit := func(text string) {
			t.Helper()
			if r := s.with(text, "submit", "--quiet", "-f", "-"); r.code != exitGood {
				t.Fatalf("%+v", r)
			}
		}
		const fails = "command: [sh, -c, \"sleep 0.3; test $BERTH_REQUEST_ID = $BAD && exit 5; sleep 100\"]\n" +
			"retry: {on_failure: true, max_attempts: 5, backoff_ms: 60000}\ngroup: {size: 3}\n"
		submit("id: g\nenv: {BAD: g.1}\n" + fails)
		s.until("why         waits for its next attempt, not before ", "get", "g")
		s.want(exitGood, "), the backoff of g.1\nsize", "get", "g")
		s.want(exitGood, "before      g.1: on w-1, ended ", "get", "g")
		s.want(exitGood, " ago): exit code 5\nsince", "explain", "g")
		s.want(exitGood, "), the backoff of g.1\ncommand", "explain", "g")
		for _, member := range []string{"g.0", "g.2"} {
			s.want(exitGood, member+" waits for its group's next attempt, not before ", "explain", member)
			s.want(exitGood, "), the backoff of g.1\nwaits since ", "explain", member)
			s.want(exitGood, "its group is placed anew: g.1: on w-1, ended ", "explain", member)
			s.want(exitGood, "), the backoff of g.1\n", "get", member)
			s.want(exitGood, member+" waits for its group's next attempt, not before ", "explain", "--at", "0s", member)
			s.want(exitGood, "its group is placed anew: g.1: on w-1, ended ", "explain", "--at", "0s", member)
		}
		s.want(exitGood, "g.0 waits for its group's next attempt, not before ", "explain", "--at", "0s", "g")
		s.want(exitGood, "g.1 waits for its group's next attempt, not before ", "explain", "g.1")
		s.want(exitGood, ")\nwaits since ", "explain", "g.1")
		s.want(exitGood, `"member": "g.1"`, "get", "-o", "json", "g")

		submit("id: late\nenv: {BAD: late.1}\npending_limit_ms: 59000\n" + fails)
		s.until("waits, and expires before its next attempt, which is not before ", "get", "late")
		s.want(exitGood, ", before its next attempt may begin\n", "get", "late")
		s.want(exitGood, "late.0 waits, and expires before its group's next attempt, which is not before ", "explain", "late.0")
		s.want(exitGood, ", before its next attempt may begin\n", "explain", "late.0")
		s.want(exitGood, ", before its next attempt may begin\n", "get", "late.0")
		s.want(exitGood, "late.0 waits, and expires before its group's next attempt, which is not before ", "explain", "--at", "0s", "late.0")

		submit("id: wide\ncommand: [\"true\"]\nresources: {cpu_milli: 3000}\npending_limit_ms: 3600000\ngroup: {size: 2}\n")
		s.until("1 of its 2 members fit, of at least 2\nsize", "explain", "wide")
		s.want(exitGood, ", unless it is placed before\n", "explain", "wide")
		s.want(exitGood, ", unless it is placed before\n", "get", "wide")
	})
}
