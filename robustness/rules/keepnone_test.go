package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// What is kept for a group of no members, which no program of ours writes, stops no daemon: where room was made by it, each ended by a panic, and so did each
// that started.
func TestKeep_OfAGroupOfNone(t *testing.T) {
	for _, made := range []string{"", `"made_room_at":"2000-01-01T00:00:02Z",`} {
		t.Run(fmt.Sprint(made != ""), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
				defer stop()
				r.lives("w")
				_, err := r.client.Put(r.t.Context(), "/berth/groups/g", `{"version":1,"txn":"x","size":0,"min_count":0,"digest":"x","attempt":1,"state":"PENDING","since":"2000-01-01T00:00:02Z"}`)
				r.ok(err)
				_, err = r.client.Put(r.t.Context(), "/berth/keeps/default", `{"version":1,"txn":"x","group":"g","since":"2000-01-01T00:00:02Z","chosen":"2000-01-01T00:00:02Z",`+made+`"workers":[{"worker":"w","share":{"cpu_milli":500,"memory_bytes":1}}]}`)
				r.ok(err)
				r.passes(3 * time.Second)
				if r.kept() != "" {
					t.Errorf("kept %q", r.kept())
				}
			})
		})
	}
}
