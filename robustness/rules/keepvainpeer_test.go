package rules

import "testing"

// Nothing is kept any more for a group of higher priority, for a service stands in its way that never ends. A daemon that has come since does not know for how
// long something was: what it keeps for one of the same tenant behind that is not given up again and again.
func TestKeep_BehindVainAfterRestart(t *testing.T) {
	k := keptStreams{Daemons: 2, Workers: 6, Services: 1, Lasts: []int{40}, Of: []string{"a"}, Small: 200, Restart: 68, Groups: []keptGroup{
		{Size: 6, Runs: 3, Of: "a", Priority: 9, Milli: 1000},
		{Size: 6, At: 1, Runs: 4, Of: "b", Priority: 5, Milli: 1000},
		{Size: 3, Runs: 3, Of: "a", Milli: 1000},
		{Size: 4, At: 42, Runs: 58, Of: "a", Milli: 1000},
	}}
	k.plays(t)
}
