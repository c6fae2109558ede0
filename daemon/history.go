package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// History bounds how much of the store's past is kept, for those who ask about it: what is
// known to be older, or more, is compacted. keepRevisions stay in any case, for watchers
// that fall behind; a store that fills keeps less, see historyKept.
type History struct {
	MaxAge   time.Duration // default 1 h; a minute to a week
	MaxBytes int64         // default 512 MiB, and a quarter of the store's quota at most; at least 1 MiB
}

// Bounds of History. Within the oldest that is kept the samples of a clock are not far apart.
const (
	DefaultHistoryAge   = time.Hour
	DefaultHistoryBytes = 512 << 20

	HistoryAgeLeast   = time.Minute
	HistoryAgeMost    = 7 * 24 * time.Hour
	HistoryBytesLeast = 1 << 20
)

// firstRevision is the oldest that is kept of a store whose history is kept whole: the one
// before holds nothing. Only where something was compacted etcd tells at once how far back it
// goes; else whoever asks that has it read all that there is.
const firstRevision = 2

// calmBelow is how full history leaves a store, in hundredths of its quota: else it would
// be cut to keepPressed again and again.
const calmBelow = pressedAt - 3

func (h History) withDefaults() (History, error) {
	if h.MaxAge == 0 {
		h.MaxAge = DefaultHistoryAge
	}
	if h.MaxBytes == 0 {
		h.MaxBytes = DefaultHistoryBytes
	}
	if h.MaxAge < HistoryAgeLeast || h.MaxAge > HistoryAgeMost {
		return h, fmt.Errorf("history age %s is out of range; allowed: %s to %s", h.MaxAge, HistoryAgeLeast, HistoryAgeMost)
	}
	if h.MaxBytes < HistoryBytesLeast {
		return h, fmt.Errorf("history bytes %d are too few; allowed: at least %d", h.MaxBytes, HistoryBytesLeast)
	}
	return h, nil
}

// most is how many bytes of history may stay in a store of that quota.
func (h History) most(s *etcdstore.Space) int64 { return min(h.MaxBytes, s.QuotaBytes/4) }

// room is how many bytes of history may stay, of so many that are kept: no more than leaves
// the store calm.
func (h History) room(s *etcdstore.Space, kept int64) int64 {
	if over := s.InUseBytes - s.QuotaBytes*calmBelow/100; over > 0 {
		return max(0, min(h.most(s), kept-over))
	}
	return h.most(s)
}

// outgrown is before which revision history is to go where space does not press; 0: none.
// In its turn that is all that is too old, or too much; between turns what is too much by
// far.
func (d *Daemon) outgrown(ctx context.Context, space etcdstore.Space, turn bool) (cut berth.Revision) {
	reaches, gone := false, berth.Revision(0)
	long := d.opts.Now().Add(-d.opts.History.MaxAge)
	err := d.callEarly(ctx, func(l *loop) {
		gone = l.bases.gone
		cut = l.outgrownBytes(&space, turn)
		var old sample
		if old, reaches = l.past.at(long); turn && reaches {
			cut = max(cut, old.revision)
		}
	})
	switch {
	case err != nil:
		return 0
	case turn && gone == 0:
		cut = max(cut, firstRevision)
	case turn && !reaches && space.Revision-keepRevisions > gone:
		cut = max(cut, d.olderThan(ctx, long))
	}
	if cut = min(cut, max(firstRevision, space.Revision-keepRevisions)); cut <= gone {
		return 0
	}
	return cut
}

// outgrownBytes is before which revision there is more history than has room, as far as this
// daemon has counted it; 0: none. What was there when it started it has not.
func (l *loop) outgrownBytes(space *etcdstore.Space, turn bool) berth.Revision {
	h, gone := l.d.opts.History, l.bases.gone
	kept := l.past.since(gone)
	cut := min(l.past.beyond(h.room(space, kept)), space.Revision-keepRevisions)
	if cut <= gone || !turn && kept-l.past.since(cut) < h.most(space)/4 {
		return 0
	}
	return cut
}

// olderThan is the newest revision that is known to be older than a time of before this daemon
// started, by the clocks of placements; 0: none is. It is that of a placement: what came behind
// may be newer.
func (d *Daemon) olderThan(ctx context.Context, t time.Time) berth.Revision {
	oldest, err := d.store.Oldest(ctx)
	if err != nil {
		return 0
	}
	var newest berth.Revision
	if err := d.callEarly(ctx, func(l *loop) { newest = l.view.revision }); err != nil {
		return 0
	}
	s, err := d.planBefore(ctx, t, oldest, newest)
	if err != nil {
		return 0
	}
	facts, err := d.store.GetAt(ctx, s.revision, planKey)
	if err != nil {
		return 0
	}
	return facts[0].Mod
}
