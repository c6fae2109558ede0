package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// bound has a request run only on workers with a label.
func bound(q *berth.Request, label string) {
	q.Constraints = []berth.Constraint{{Label: label, Operator: berth.OperatorExists}}
}

// fills is a worker with a label that one request fills, which runs for an hour.
func (r *rig) fills(w string, label string, priority int32) (id string, as func(*berth.Request)) {
	r.t.Helper()
	r.offers(berth.WorkerID(w), false, map[string]string{label: "yes"})
	return w + "-0", func(q *berth.Request) {
		sized(1000, priority)(q)
		q.RunLimitMS = 3_600_000
		bound(q, label)
	}
}

// Something is kept for a group that may have others make room, and nobody can: what runs there matters as much. When its
// first round is over, others make room elsewhere for one that matters as much.
func TestGroupRoom_BesideWhatIsKeptInVain(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		defer stop()
		for w, priority := range map[string]int32{"w0": 50, "w1": 50, "w2": 0} {
			label := "big"
			if priority == 0 {
				label = "small"
			}
			id, as := r.fills(w, label, priority)
			r.run(d, id, as)
			r.runs(w, id)
		}
		g := r.pressing("g", 2, 2, 50)
		bound(&g, "big")
		r.submitGroup(d, g)
		r.passes(2 * time.Second)
		if kept := r.kept(); kept != "g w0 w1" {
			t.Fatalf("kept %q", kept)
		}
		r.submitGroup(d, r.pressing("c", 1, 1, 50))
		r.passes(6 * time.Second)
		if told, _ := r.told(); len(told) > 0 {
			t.Fatalf("in the first round told %v", told)
		}
		r.passes(6 * time.Second)
		if told, _ := r.told(); fmt.Sprint(told) != "[w2-0]" {
			t.Fatalf("when that was over told %v, kept %q", told, r.kept())
		}
		r.exitsAll()
		r.passes(3 * time.Second)
		if r.are("c.0") != 1 || r.kept() != "g w0 w1" {
			t.Errorf("placed: %v, kept %q", r.held(), r.kept())
		}
	})
}

// Nobody can make room for many groups that matter more, nor is anything kept for them: it would be in vain. Others make
// room for one behind them in its turn.
func TestGroupRoom_BehindManyInVain(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		defer stop()
		for w, priority := range map[string]int32{"w0": 90, "w1": 0} {
			label := fmt.Sprint("of", priority)
			id, as := r.fills(w, label, priority)
			r.run(d, id, func(q *berth.Request) { as(q); q.RunLimitMS = 0 })
			r.runs(w, id)
		}
		for i := range 12 {
			g := r.pressing(fmt.Sprint("g", i), 1, 1, 50)
			bound(&g, "of90")
			g.Labels = map[string]string{"g": fmt.Sprint(i)}
			g.Resources.CPUMilli -= int64(i) // each is a class of its own
			r.submitGroup(d, g)
		}
		g := r.pressing("last", 1, 1, 50)
		bound(&g, "of0")
		r.submitGroup(d, g)
		for range 30 {
			r.passes(2 * time.Second)
			if told, _ := r.told(); len(told) > 0 {
				r.exitsAll()
				break
			}
		}
		r.passes(3 * time.Second)
		if r.are("last.0") != 1 {
			t.Errorf("placed: %v, kept %q", r.held(), r.kept())
		}
	})
}
