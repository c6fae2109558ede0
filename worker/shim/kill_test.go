package shim

import (
	"slices"
	"testing"
)

// What is found in several ways, by its cgroup and as a descendant, is signalled once.
func TestKiller_SignalsOnce(t *testing.T) {
	k := killer{group: &Group{}, others: func() []int { return []int{9, 7, 9, 7} }}
	if got := k.pids(); !slices.Equal(got, []int{7, 9}) {
		t.Errorf("processes 7 and 9, each found twice, are %v", got)
	}
}
