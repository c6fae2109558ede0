package main

import (
	"bytes"
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// A group is told why nobody makes room for it, and for how many of its members others could.
func TestGroupWhy_NobodyMakesRoom(t *testing.T) {
	for _, tt := range []struct {
		fit, best int64
		why, want string
	}{
		{0, 0, "priority", "those whose end would do have its priority, or a higher one; the end of others would make room for none of its members\n"},
		{1, 1, "priority", "or a higher one; the end of others would make room for no more of its members than fit now\n"},
		{1, 3, "late", "(its pending limit); with the end of others 3 of its members would fit, of at least 4\n"},
		{0, 0, "room", "nobody makes room for it: no end of others would do\n"},
	} {
		var out bytes.Buffer
		v := &berthv1.Verdict{Reasons: []*berthv1.Reason{{Code: "group", Want: 4, Best: tt.fit, Total: 4}, {Code: "preemption", Detail: tt.why, Want: 4, Best: tt.best}}}
		if err := printGroup(&out, &berthv1.Group{State: "PENDING", Verdict: v}, "", nil); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q is not in\n%s", tt.want, out.String())
		}
	}
}
