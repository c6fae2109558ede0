package worker

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func TestDecide(t *testing.T) {
	placed, starting, running, exited := berth.StatePlaced, berth.StateStarting, berth.StateRunning, berth.StateExited
	tests := []struct {
		name string
		s    situation
		want action
	}{
		{"new", situation{State: placed, Own: true, Phase: phaseNone}, actFence},
		{"new, of another epoch", situation{State: placed, Phase: phaseNone}, actNothing},
		{"new, ordered to stop", situation{State: placed, Own: true, Ordered: true, Phase: phaseNone}, actReject},
		{"new, closed", situation{State: placed, Own: true, Closed: true, Phase: phaseNone}, actReject},
		{"being fenced", situation{State: placed, Own: true, Phase: phaseFencing}, actNothing},
		{"being fenced, ordered", situation{State: placed, Own: true, Ordered: true, Phase: phaseFencing}, actNothing},
		{"being fenced, taken back", situation{Phase: phaseFencing}, actNothing},
		{"fenced", situation{State: starting, Own: true, Phase: phaseFenced}, actStart},
		{"fenced, ordered to stop", situation{State: starting, Own: true, Ordered: true, Phase: phaseFenced}, actReject},
		{"fenced, closed", situation{State: starting, Own: true, Closed: true, Phase: phaseFenced}, actReject},
		{"starting", situation{State: starting, Own: true, Ordered: true, Phase: phaseStarting}, actNothing},
		{"starting, gone", situation{Phase: phaseStarting}, actNothing},
		{"STARTING without memory", situation{State: starting, Own: true, Phase: phaseNone}, actLost},
		{"RUNNING without memory", situation{State: running, Own: true, Phase: phaseNone}, actLost},
		{"STARTING of another epoch", situation{State: starting, Phase: phaseNone}, actNothing},
		{"runs, to be reported", situation{State: starting, Own: true, Phase: phaseRunning}, actReport},
		{"runs, reported", situation{State: running, Own: true, Phase: phaseRunning}, actNothing},
		{"runs, closed", situation{State: running, Own: true, Closed: true, Phase: phaseRunning}, actNothing},
		{"runs, ordered to stop", situation{State: running, Own: true, Ordered: true, Phase: phaseRunning}, actStop},
		{"runs unreported, ordered to stop", situation{State: starting, Own: true, Ordered: true, Phase: phaseRunning}, actStop},
		{"stopping unreported", situation{State: starting, Own: true, Ordered: true, Stopping: true, Phase: phaseRunning}, actReport},
		{"stopping", situation{State: running, Own: true, Ordered: true, Stopping: true, Phase: phaseRunning}, actNothing},
		{"runs, taken back", situation{Phase: phaseRunning}, actKill},
		{"runs, though EXITED", situation{State: exited, Own: true, Phase: phaseRunning}, actKill},
		{"ended unreported", situation{State: running, Own: true, Phase: phaseEnded}, actReport},
		{"ended before its start was reported", situation{State: starting, Own: true, Phase: phaseEnded}, actReport},
		{"refused", situation{State: placed, Own: true, Ordered: true, Phase: phaseEnded}, actReport},
		{"ended, reported", situation{State: exited, Own: true, Phase: phaseEnded}, actNothing},
		{"ended, gone", situation{Phase: phaseEnded}, actForget},
		{"EXITED by a former agent", situation{State: exited, Own: true, Phase: phaseNone}, actNothing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decide(tt.s); got != tt.want {
				t.Errorf("decide(%+v) = %s, want %s", tt.s, got, tt.want)
			}
		})
	}
}

// What must hold whatever the situation: only what is PLACED, untouched, ours
// and not ordered to stop is fenced, and only what we fenced is started.
func TestDecide_Fencing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := situation{
			State:    rapid.SampledFrom([]berth.State{"", berth.StatePlaced, berth.StateStarting, berth.StateRunning, berth.StateExited}).Draw(t, "state"),
			Own:      rapid.Bool().Draw(t, "own"),
			Ordered:  rapid.Bool().Draw(t, "ordered"),
			Phase:    rapid.SampledFrom([]phase{phaseNone, phaseFencing, phaseFenced, phaseStarting, phaseRunning, phaseEnded}).Draw(t, "phase"),
			Stopping: rapid.Bool().Draw(t, "stopping"),
			Closed:   rapid.Bool().Draw(t, "closed"),
		}
		switch got := decide(s); got {
		case actFence:
			if s.State != berth.StatePlaced || !s.Own || s.Ordered || s.Closed || s.Phase != phaseNone {
				t.Fatalf("fences %+v", s)
			}
		case actStart:
			if s.Phase != phaseFenced || !s.Own || s.Ordered || s.Closed || s.State == "" {
				t.Fatalf("starts %+v", s)
			}
		case actStop, actKill:
			if s.Phase != phaseRunning {
				t.Fatalf("%s without a container: %+v", got, s)
			}
		case actReport, actReject, actLost:
			if !s.Own || s.State == "" {
				t.Fatalf("%s of what is not ours: %+v", got, s)
			}
		}
	})
}
