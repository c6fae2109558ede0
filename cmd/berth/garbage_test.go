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

func TestIdleness(t *testing.T) {
	const mib = 1 << 20
	var i idleness
	for at, look := range []struct {
		allocated, cycles uint64
		want              bool
	}{
		{20 * mib, 0, false}, // it works
		{20 * mib, 0, false}, // too little
		{40 * mib, 0, false}, // it works
		{40*mib + 1, 0, true},
		{41 * mib, 1, false}, // collected
		{41 * mib, 1, false},
		{74 * mib, 1, false}, // it works
		{74 * mib, 1, true},
	} {
		if got := i.worthWhile(look.allocated, look.cycles); got != look.want {
			t.Errorf("look %d: %t", at+1, got)
		}
	}
}
