package daemon

import (
	"testing"
	"time"

	"github.com/berthd/berth/etcdstore"
)

func TestHistory_Bounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		h    History
		want History
		ok   bool
	}{
		{"defaults", History{}, History{time.Hour, 512 << 20}, true},
		{"least", History{time.Minute, 1 << 20}, History{time.Minute, 1 << 20}, true},
		{"most", History{168 * time.Hour, 1 << 40}, History{168 * time.Hour, 1 << 40}, true},
		{"too short", History{MaxAge: time.Minute - 1}, History{}, false},
		{"too long", History{MaxAge: 168*time.Hour + 1}, History{}, false},
		{"too few bytes", History{MaxBytes: 1<<20 - 1}, History{}, false},
		{"negative", History{MaxAge: -1}, History{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.h.withDefaults()
			if (err == nil) != tt.ok || tt.ok && got != tt.want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// History takes no more than a quarter of the quota, and gives way to what else fills the store.
func TestHistory_Room(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                   string
		most, quota, use, kept int64
		want                   int64
	}{
		{"an empty store", 256, 2000, 0, 0, 256},
		{"a small quota", 256, 1000, 0, 0, 250},
		{"within", 256, 2000, 700, 256, 256},
		{"what else is there leaves little", 256, 2000, 840, 200, 100},
		{"and nothing", 256, 2000, 1000, 200, 0},
		{"nothing of it is known", 256, 2000, 1000, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := History{MaxBytes: tt.most}
			if got := h.room(&etcdstore.Space{QuotaBytes: tt.quota, InUseBytes: tt.use}, tt.kept); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}
