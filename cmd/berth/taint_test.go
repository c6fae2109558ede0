package main

import (
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Who takes back what is not there is told so, and nothing else is taken back.
func TestUntaint_Nothing(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitFailed, "berth: untaint w-1: no such taint: audit; its taints: -\n", "untaint", "w-1", "audit")
		s.want(exitGood, "audit:no_place,gpu=h100:no_run", "taint", "w-1", "audit:no_place", "gpu=h100:NoExecute")
		s.want(exitGood, "  tainted: audit:no_place,gpu=h100:no_run\n", "workers")
		s.want(exitFailed, "no such taint: audti; its taints: audit:no_place,gpu=h100:no_run", "untaint", "w-1", "gpu", "audti")
		s.want(exitFailed, "no such taint: gpu:no_place; its taints: audit", "untaint", "w-1", "gpu:no_place")
		s.want(exitGood, "w-1: taints audit:no_place\n", "untaint", "w-1", "gpu:NoExecute")
		s.want(exitGood, "w-1: taints -\n", "untaint", "w-1", "audit=any:no_place")
		for _, verb := range []string{"untaint", "taint"} {
			s.want(exitFailed, "berth: "+verb+" nobody: worker nobody: not found; berth workers lists them\n", verb, "nobody", "audit:no_run")
		}
		for _, verb := range []string{"drain", "remove", "cordon", "uncordon"} {
			s.want(exitFailed, "berth: "+verb+" nobody: worker nobody: not found; berth workers lists them\n", verb, "nobody")
		}
	})
}

// What a worker has registered with, no operator takes back; what both have put there, he does.
func TestUntaints_Own(t *testing.T) {
	w := &berthv1.Worker{
		Taints:         []*berthv1.Taint{{Key: "spot", Effect: "no_place"}, {Key: "gpu", Effect: "no_run"}},
		OperatorTaints: []*berthv1.Taint{{Key: "gpu", Effect: "no_place"}},
	}
	err := untaints(w, []*berthv1.Taint{{Key: "spot", Effect: "NoSchedule"}})
	if want := "taint spot:NoSchedule is the worker's own, of berth worker --taint, and is there until it registers without"; err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
	if err := untaints(w, []*berthv1.Taint{{Key: "gpu"}}); err != nil {
		t.Error(err)
	}
	if err := untaints(w, []*berthv1.Taint{{Key: "gpu", Effect: "no_run"}}); err == nil {
		t.Error("its own taint is taken back, for the operator's has its key")
	}
}
