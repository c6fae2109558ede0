package snapshot

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Mixes is what pools with devices were asked for lately, as the daemon knows that wrote
// the snapshot: by that it deals them. It stands in no record, and in no snapshot of the
// past; without it a forecast deals as a daemon that has just started.
type Mixes map[berth.PoolID]scheduler.MixState

// mixesBytes bounds what of the first line they take: those beyond it are left out.
const mixesBytes = MaxLineBytes / 2

// bounded is those for which a line has room, the first by name.
func (m Mixes) bounded() (Mixes, error) {
	out, room := make(Mixes, len(m)), mixesBytes
	for _, p := range slices.Sorted(maps.Keys(m)) {
		b, err := json.Marshal(m[p])
		if err != nil {
			return nil, fmt.Errorf("write mix of pool %s: %w", p, err)
		}
		if n := len(b) + len(p); n <= room {
			out[p], room = m[p], room-n
		}
	}
	return out, nil
}

// sound refuses what no requests could have made.
func (m Mixes) sound() error {
	for _, p := range slices.Sorted(maps.Keys(m)) {
		s := m[p]
		if err := s.Validate(); err != nil {
			return fmt.Errorf("mixes of pool %s: %w", p, err)
		}
	}
	return nil
}
