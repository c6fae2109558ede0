package daemon_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A group of 256 gets its places on workers of 16 devices each; one that no transaction
// could hold is refused, and told how large it may be.
func TestGroup_OfLargeLedgers(t *testing.T) {
	d, store := start(t)
	lease, err := store.KeepLease(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 256 {
		c := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 64_000, MemoryBytes: 1 << 40}}
		for n := range 16 {
			c.Devices = append(c.Devices, berth.Device{Name: fmt.Sprintf("GPU-%08x-1c7d-4f4a-9e11-%012x", i, n), Type: "h100", MemoryBytes: 80 << 30})
		}
		_, err := store.RegisterWorker(t.Context(), berth.WorkerID(fmt.Sprintf("w%03d", i)), berth.Worker{
			Pool: "default", Capacity: c, Lease: lease.ID, TTLSeconds: 60, KillMS: 2000, Agent: "test", StateID: "test", StartedAt: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for open := 0; open < 256; {
		all, err := d.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		open = 0
		for i := range all {
			if all[i].State == "ready" {
				open++
			}
		}
	}
	of := func(id string, size int64) berth.Request {
		g := groupOf(id, size, 0)
		g.StartTimeoutMS = 3_600_000
		g.Resources.Devices = []berth.DeviceDemand{{Count: 16, Milli: berth.WholeDevice}}
		return g
	}
	submitGroup(t, d, of("g", 256))
	awaitGroup(t, d, "g", func(s *daemon.GroupStatus) bool { return s != nil && s.Record.State == berth.GroupPlaced })
	submitGroup(t, d, of("another", 256))
	res, err := d.Submit(t.Context(), []berth.Request{of("h", 1000)})
	if err != nil {
		t.Fatal(err)
	}
	fe, ok := errors.AsType[*berth.FieldError](res[0].Err)
	if !ok || fe.Field != "group.size" {
		t.Fatalf("one of 1,000: %v", res[0].Err)
	}
}
