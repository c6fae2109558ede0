package scheduler_test

import (
	"strings"
	"testing"

	"github.com/berthd/berth"
)

// setRelation reads near=app:web@rack (required), near=app:web@rack/50 (preferred),
// apart= likewise, even=app:web@rack/1 (max_skew), even=app:web@rack/1/50, and of
// labels of workers likes=disk:ssd/50 and shuns=disk:hdd/50.
func setRelation(t *testing.T, r *berth.Request, name, value string) {
	parts := strings.Split(value, "/")
	numbers := make([]int64, 2)
	for i, p := range parts[1:] {
		numbers[i] = number(t, p)
	}
	who, topology, _ := strings.Cut(parts[0], "@")
	k, v, _ := strings.Cut(who, ":")
	requests := &berth.RequestLabel{Label: k, Value: v}
	workers := []berth.Constraint{{Label: k, Operator: berth.OperatorIn, Values: []string{v}}}
	switch name {
	case "near":
		r.Affinity = append(r.Affinity, berth.Affinity{Requests: requests, Topology: topology, Weight: numbers[0]})
	case "apart":
		r.AntiAffinity = append(r.AntiAffinity, berth.Affinity{Requests: requests, Topology: topology, Weight: numbers[0]})
	case "likes":
		r.Affinity = append(r.Affinity, berth.Affinity{Workers: workers, Weight: numbers[0]})
	case "shuns":
		r.AntiAffinity = append(r.AntiAffinity, berth.Affinity{Workers: workers, Weight: numbers[0]})
	case "even":
		r.Spread = append(r.Spread, berth.Spread{Requests: *requests, Topology: topology, MaxSkew: numbers[0], Weight: numbers[1]})
	}
}
