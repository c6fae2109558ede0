package daemon_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// What was answered is in a snapshot that is asked for next, however far the watch is
// behind: 'berth plan' after 'berth submit' lacked the request now and then.
func TestSnapshot_OwnWrites(t *testing.T) {
	d, _ := start(t)
	for i := range 200 {
		id := fmt.Sprintf("r-%d", i)
		results, err := d.Submit(t.Context(), []berth.Request{request(id)})
		if err != nil || results[0].Err != nil {
			t.Fatalf("submit: %v, %+v", err, results)
		}
		var out bytes.Buffer
		if err := d.Snapshot(t.Context(), 0, &out); err != nil {
			t.Fatal(err)
		}
		s, err := snapshot.Read(&out, nil)
		if err != nil {
			t.Fatal(err)
		}
		if changed := results[0].Status.Changed; s.Revision < changed {
			t.Fatalf("%s is of revision %d, and the snapshot after it of %d", id, changed, s.Revision)
		}
	}
}
