package rules

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Workers that are drained together restart a group once, and that uses up no attempt.
func TestGroup_DrainedTogether(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 8 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%d", i)))
		}
		d, stop := r.daemon()
		g := r.group("g", 4, 4)
		g.Resources.CPUMilli = 600 // one on each worker
		r.submitGroup(d, g)
		var on []berth.WorkerID
		for i := range 4 {
			s, err := d.Get(r.t.Context(), berth.RequestID(fmt.Sprint("g.", i)))
			r.ok(err)
			on = append(on, s.Worker)
		}
		for _, w := range on {
			_, err := d.SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
			r.ok(err)
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(3 * time.Second)
		synctest.Wait()
		s, err := d.Group(r.t.Context(), "g")
		r.ok(err)
		if is := s.Record; is.State != berth.GroupPlaced || is.Attempt != 2 || is.Excused != 1 || is.Used != 0 {
			t.Errorf("after four drains: %+v", is)
		}
		stop()
	})
}
