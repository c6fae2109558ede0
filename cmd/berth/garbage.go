package main

import (
	"context"
	"os"
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
)

// leaveRoomForGarbage keeps to that until ctx ends. GOGC, where it is set, decides instead.
func leaveRoomForGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(garbageMost)
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

// garbagePercent is how much garbage there may be, in percent of the bytes that live.
func garbagePercent(live uint64) int {
	return int(min(max(100*garbageRoom/max(live, 1), garbageLeast), garbageMost))
}
