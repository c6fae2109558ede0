package rules

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// A daemon has seen that something is kept for a group since some time. Then room is made for the group by a daemon whose
// clock is behind, which says so by that. What is kept is not said to be chosen before it is kept, then.
func TestKeep_ChosenBySlowClock(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 3, 50)
		r.submitGroup(d, r.whole("g", 2))
		r.passes(5 * time.Second)
		var k berth.Keep
		kv := r.kv("keeps/default")
		if kv == nil {
			t.Fatal("nothing is kept")
		}
		r.ok(json.Unmarshal(kv.Value, &k))
		earlier := k.Since.Add(-3 * time.Second)
		k.Since, k.Chosen, k.MadeRoom, k.Workers = earlier, earlier, earlier, k.Workers[:1]
		value, err := json.Marshal(&k)
		r.ok(err)
		_, err = r.client.Put(r.t.Context(), "/berth/keeps/default", string(value))
		r.ok(err)
		r.passes(5 * time.Second)
		now, _ := r.madeRoom()
		if now.Chosen.Before(now.Since) {
			t.Errorf("chosen %v, since %v", now.Chosen, now.Since)
		}
		stop()
	})
}
