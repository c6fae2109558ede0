package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A daemon that places thousands a second leaves a hundred megabytes of garbage a
// second beside a heap of some ten: with Go's default it would collect many times a
// second, for a fifth of its CPU. So garbage may come to garbageRoom, or to as much as
// lives, whichever is more; and never to more than garbageMost percent of that.
const (
	garbageRoom  = 256 << 20
	garbageLeast = 100 // Go's default
	garbageMost  = 400
	garbageLook  = 10 * time.Second

	// While memory is marked, whoever waits waits longer: a group of 256 three times as long. So garbage
	// is collected when nothing else is done, if there is enough of it for that to be worth while.
	garbageIdleLook = 50 * time.Millisecond
	garbageIdleStep = 1 << 20  // allocated between two looks: less is idleness
	garbageIdleMost = 32 << 20 // left since the last collection
)

// leaveRoomForGarbage keeps to that until ctx ends. GOGC, where it is set, decides instead.
func leaveRoomForGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(garbageMost)
	go collectWhenIdle(ctx)
	go func() {
		tick := time.NewTicker(garbageLook)
		defer tick.Stop()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			select {
			case <-tick.C:
				metrics.Read(live)
				debug.SetGCPercent(garbagePercent(live[0].Value.Uint64()))
			case <-ctx.Done():
				return
			}
		}
	}()
}

// collectWhenIdle collects garbage when nothing else is done, until ctx ends.
func collectWhenIdle(ctx context.Context) {
	tick := time.NewTicker(garbageIdleLook)
	defer tick.Stop()
	now := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	var idle idleness
	for {
		select {
		case <-tick.C:
			metrics.Read(now)
			if idle.worthWhile(now[0].Value.Uint64(), now[1].Value.Uint64()) {
				runtime.GC()
			}
		case <-ctx.Done():
			return
		}
	}
}

// idleness is what was seen at the last look.
type idleness struct {
	allocated, cycles uint64
	since             uint64 // allocated when the last collection was seen to have ended
}

// worthWhile says whether garbage is to be collected now, of which so much was ever allocated in so
// many collections.
func (i *idleness) worthWhile(allocated, cycles uint64) bool {
	if cycles != i.cycles {
		i.since = allocated
	}
	quiet := allocated-i.allocated < garbageIdleStep
	i.allocated, i.cycles = allocated, cycles
	return quiet && allocated-i.since >= garbageIdleMost
}

// garbagePercent is how much garbage there may be, in percent of the bytes that live.
func garbagePercent(live uint64) int {
	return int(min(max(100*garbageRoom/max(live, 1), garbageLeast), garbageMost))
}
