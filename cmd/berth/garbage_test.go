package main

import "testing"

func TestGarbagePercent(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{{0, 400}, {32 << 20, 400}, {64 << 20, 400}, {128 << 20, 200}, {256 << 20, 100}, {4 << 30, 100}} {
		if got := garbagePercent(tt.live); got != tt.want {
			t.Errorf("%d bytes live: %d percent, want %d", tt.live, got, tt.want)
		}
	}
}
