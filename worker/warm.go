package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// warmEvery is how often at most a worker says anew what is warm on it: each time is a
// write, and has every daemon look at the worker.
const warmEvery = 10 * time.Second

// warmth is the affinity keys that are warm on this machine: those that its operator
// names, and those of what was started here last, as far as there is room beside them.
// It outlives epochs: the machine stays warm.
type warmth struct {
	fixed []string

	mu     sync.Mutex
	lately []string // the latest last

	// news is written by note, and read by tellConditions; one is enough, for who reads
	// it takes all that is known then.
	news chan struct{}
}

func newWarmth(fixed []string) *warmth {
	return &warmth{fixed: fixed, news: make(chan struct{}, 1)}
}

// note takes in the key of what was started.
func (w *warmth) note(key string) {
	if key == "" || slices.Contains(w.fixed, key) || len(w.fixed) >= berth.MaxWarmKeys {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.lately, key)
	if i >= 0 {
		w.lately = append(slices.Delete(w.lately, i, i+1), key)
		return
	}
	w.lately = append(w.lately, key)
	w.lately = w.lately[max(0, len(w.fixed)+len(w.lately)-berth.MaxWarmKeys):]
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// keys are all of them, sorted.
func (w *warmth) keys() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Concat(w.fixed, w.lately)
	slices.Sort(all)
	return slices.Compact(all)
}

// tellConditions says what lacks on this machine and what is warm, now and when that has
// changed, until ctx ends. None of it is needed to work, so a failure is only logged, and
// tried again later.
func (w *Worker) tellConditions(ctx context.Context, lease string) {
	var told berth.Conditions
	for {
		next := berth.Conditions{Pressure: w.pressure(), WarmKeys: w.warm.keys()}
		if !slices.Equal(told.Pressure, next.Pressure) || !slices.Equal(told.WarmKeys, next.WarmKeys) {
			said := w.putConditions(ctx, lease, next)
			if pause(ctx, warmEvery) != nil {
				return
			}
			if !said {
				continue
			}
			told = next
		}
		select {
		case <-w.warm.news:
		case <-ctx.Done():
			return
		}
	}
}

func (w *Worker) putConditions(ctx context.Context, lease string, c berth.Conditions) bool {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := w.opts.Store.PutConditions(bounded, w.opts.ID, lease, c)
	if err != nil && ctx.Err() == nil {
		w.log.Warn("conditions not said", zap.Strings("pressure", c.Pressure), zap.Int("warm_keys", len(c.WarmKeys)), zap.Error(err))
	}
	return err == nil
}
