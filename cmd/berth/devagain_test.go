package main

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker/shim/shimtest"
)

// It comes up again on a store whose worker a person has cordoned, and that knows of others.
func TestDev_AgainOnItsStore(t *testing.T) {
	dir := t.TempDir()
	up := func(workers int, test func(s *shell)) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		came := false
		err := runLocal(ctx, localOptions{
			dir: dir, listen: "127.0.0.1:0", etcdListen: "127.0.0.1:0", workers: workers, name: "w", noCgroups: true, shim: shimtest.Path(), log: zap.NewNop(),
			capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}},
		}, func(l *local) error {
			came = true
			t.Setenv("BERTH_ADDRESS", l.api)
			test(&shell{t, l})
			return nil
		})
		if err != nil || !came {
			t.Fatalf("came up: %t; %v", came, err)
		}
	}
	up(2, func(s *shell) {
		s.want(0, "", "cordon", "w-1")
	})
	up(1, func(s *shell) { s.want(0, "cordoned", "workers") })
}
