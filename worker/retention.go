package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// Retention bounds the output that is kept of attempts that have ended. Zero
// fields mean the defaults.
type Retention struct {
	MaxAge      time.Duration // default a week
	MaxBytes    int64         // of all together; default 10 GiB
	MaxAttempts int           // default 100,000
	Every       time.Duration // between two looks; default a minute
}

// Defaults of Retention.
const (
	DefaultLogAge      = 7 * 24 * time.Hour
	DefaultLogBytes    = 10 << 30
	DefaultLogAttempts = 100_000
)

func (r Retention) withDefaults() Retention {
	setDefault(&r.MaxAge, DefaultLogAge)
	setDefault(&r.MaxBytes, DefaultLogBytes)
	setDefault(&r.MaxAttempts, DefaultLogAttempts)
	setDefault(&r.Every, time.Minute)
	return r
}

// kept is the output of one attempt.
type kept struct {
	key   taskKey
	bytes int64
	last  time.Time // written
}

// Keep removes, now and then until ctx ends, what is beyond the retention:
// oldest first.
func (l *Logs) Keep(ctx context.Context, r Retention, log *zap.Logger) error {
	r = r.withDefaults()
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	for {
		if removed, err := l.Purge(r, time.Now()); err != nil {
			log.Warn("old output not removed", zap.Error(err))
		} else if removed > 0 {
			log.Info("old output removed", zap.Int("attempts", removed))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Purge removes what is beyond the retention at now.
func (l *Logs) Purge(r Retention, now time.Time) (int, error) {
	all, err := l.list()
	if err != nil {
		return 0, fmt.Errorf("list logs: %w", err)
	}
	removed := 0
	for _, k := range surplus(all, r.withDefaults(), now) {
		if l.writes(k.key) {
			continue
		}
		if err := os.RemoveAll(l.path(k.key)); err != nil {
			return removed, fmt.Errorf("remove logs of %s: %w", k.key.id, err)
		}
		removed++
		// Fails while other attempts are kept, as it should.
		_ = os.Remove(filepath.Join(l.dir, string(k.key.id)))
	}
	return removed, nil
}

// surplus is what is to go, oldest first.
func surplus(all []kept, r Retention, now time.Time) []kept {
	slices.SortFunc(all, func(a, b kept) int {
		return cmp.Or(a.last.Compare(b.last), cmp.Compare(a.key.id, b.key.id), cmp.Compare(a.key.attempt, b.key.attempt))
	})
	var bytes int64
	for _, k := range all {
		bytes += k.bytes
	}
	n := 0
	for n < len(all) && (now.Sub(all[n].last) > r.MaxAge || bytes > r.MaxBytes || len(all)-n > r.MaxAttempts) {
		bytes -= all[n].bytes
		n++
	}
	return all[:n]
}

func (l *Logs) writes(k taskKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[k] != nil
}

// list is the output of attempts that have ended.
func (l *Logs) list() ([]kept, error) {
	requests, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	var all []kept
	for _, request := range requests {
		attempts, err := os.ReadDir(filepath.Join(l.dir, request.Name()))
		if err != nil {
			continue // no directory, or gone
		}
		for _, attempt := range attempts {
			n, err := strconv.ParseInt(attempt.Name(), 10, 64)
			key := taskKey{berth.RequestID(request.Name()), n}
			if err != nil || l.writes(key) {
				continue
			}
			k, err := l.measure(key)
			if err != nil {
				return nil, err
			}
			all = append(all, k)
		}
	}
	return all, nil
}

func (l *Logs) measure(key taskKey) (kept, error) {
	k := kept{key: key}
	err := filepath.WalkDir(l.path(key), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !d.IsDir() {
			k.bytes += info.Size()
		}
		if info.ModTime().After(k.last) {
			k.last = info.ModTime()
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // rotated away meanwhile: the next look measures it
	}
	return k, err
}
