package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What waits because of an operator's taint is woken when that is taken back, and
// by nothing before.
func TestTaint_TakenBackWakes(t *testing.T) {
	s := newStage(t, bigWorker)
	taint := func(taints ...berth.Taint) {
		for w := range s.view.whole[berth.KindWorker] {
			s.tell(intentKey(berth.WorkerID(w.ID)), &berth.Intent{Taints: taints})
		}
	}
	taint(berth.Taint{Key: "rack", Effect: berth.EffectNoPlace})
	s.step()
	id := s.submittedTo("daemon", 1, 100)[0]
	if p := s.step(); len(p.Places) > 0 {
		t.Fatalf("placed on a worker with a taint: %+v", p.Places)
	}
	if st, _ := s.status(id); st.Verdict == nil || st.Verdict.NeverFits || st.Verdict.Reasons[0].Code != berth.ReasonTaint || st.Verdict.Reasons[0].Detail != "rack:no_place" {
		t.Errorf("waits for %+v", st.Verdict)
	}
	taint(berth.Taint{Key: "rack", Effect: berth.EffectPreferNoPlace})
	if p := s.step(); len(p.Places) != 1 {
		t.Errorf("%d placed when the taint was taken back, want 1", len(p.Places))
	}
}

// A taint of the effect no_run ends what has not started and stops what runs, unless
// it is tolerated.
func TestDecide_Taint(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		name    string
		state   berth.State
		evicted string
		end     cause
		stops   bool
	}{
		{"not started", berth.StatePlaced, "ill:no_run", causeDrained, false},
		{"running", berth.StateRunning, "ill:no_run", "", true},
		{"tolerated", berth.StateRunning, "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := decide(circumstances{
				allocation: &berth.Allocation{State: tt.state, Epoch: 1, StartTimeoutMS: 10_000}, workerEpoch: 1, firstSeen: now,
				intent: &berth.Intent{}, evicted: tt.evicted, now: now,
			})
			if d.end != tt.end || (d.stop != nil) != tt.stops || tt.stops && !strings.Contains(d.stop.Message, tt.evicted) {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestEvicted(t *testing.T) {
	ill, flaky := berth.Taint{Key: "ill", Effect: berth.EffectNoRun}, berth.Taint{Key: "flaky", Effect: berth.EffectNoPlace}
	sub := &berth.Submission{Spec: berth.Request{Tolerations: []berth.Toleration{{Key: "ill", Operator: berth.TolerateExists}}}}
	for _, tt := range []struct {
		name    string
		own     []berth.Taint
		ordered []berth.Taint
		sub     *berth.Submission
		want    string
	}{
		{"none", nil, nil, &berth.Submission{}, ""},
		{"by an operator", nil, []berth.Taint{flaky, ill}, &berth.Submission{}, "ill:no_run"},
		{"the worker's own", []berth.Taint{ill}, nil, &berth.Submission{}, "ill:no_run"},
		{"another effect stops nothing", []berth.Taint{flaky}, nil, &berth.Submission{}, ""},
		{"tolerated", []berth.Taint{ill}, []berth.Taint{ill}, sub, ""},
	} {
		if got := evicted(&berth.Worker{Taints: tt.own}, &berth.Intent{Taints: tt.ordered}, tt.sub); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
