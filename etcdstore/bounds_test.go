package etcdstore

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What may run when a backup is restored bounds the hold, whichever record tells of it:
// of a worker that was lost when the backup was taken, only its ledger.
func TestBounds_EachRecord(t *testing.T) {
	const ttl, kill, keep = 60 * time.Second, 2 * time.Second, 7 * time.Second
	for name, tt := range map[string]struct {
		record any
		want   time.Duration
	}{
		"a worker":      {&berth.Worker{TTLSeconds: 60, KillMS: 2000}, ttl + kill},
		"a lost worker": {&berth.Ledger{TTLSeconds: 60, KillMS: 2000}, ttl + kill},
		"a request":     {&berth.Submission{Spec: berth.Request{KeepMS: 7000}}, keep},
		"an allocation": {&berth.Allocation{KeepMS: 7000}, keep},
	} {
		t.Run(name, func(t *testing.T) {
			b := bounds{leases: make(map[string]struct{})}
			b.learn(berth.Fact{Record: tt.record})
			if got, least := b.hold(), tt.want+tt.want/100; got < least {
				t.Errorf("hold %s, want at least %s", got, least)
			}
		})
	}
}
