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

// warmth is what is warm on this machine: affinity keys and images, those that its
// operator names, and those of what was started here last, as far as there is room beside
// them. It outlives epochs: the machine stays warm.
type warmth struct {
	mu           sync.Mutex
	keys, images named

	// news is written by note, and read by tellConditions; one is enough, for who reads
	// it takes all that is known then.
	news chan struct{}
}

// named is some names, at most so many.
type named struct {
	most   int
	fixed  []string
	lately []string // the latest last
}

func newWarmth(keys, images []string) *warmth {
	return &warmth{
		keys: named{most: berth.MaxWarmKeys, fixed: keys}, images: named{most: berth.MaxWarmImages, fixed: images},
		news: make(chan struct{}, 1),
	}
}

// note takes in the key and the image of what was started; empty: it has none.
func (w *warmth) note(key, image string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	newKey, newImage := w.keys.note(key), w.images.note(image)
	if !newKey && !newImage {
		return
	}
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// note says whether the name was not among them.
func (n *named) note(name string) (isNew bool) {
	if name == "" || slices.Contains(n.fixed, name) || len(n.fixed) >= n.most {
		return false
	}
	i := slices.Index(n.lately, name)
	if i >= 0 {
		n.lately = append(slices.Delete(n.lately, i, i+1), name)
		return false
	}
	n.lately = append(n.lately, name)
	n.lately = n.lately[max(0, len(n.fixed)+len(n.lately)-n.most):]
	return true
}

// all are all of them, sorted.
func (n *named) all() []string {
	all := slices.Concat(n.fixed, n.lately)
	slices.Sort(all)
	return slices.Compact(all)
}

// any says whether the operator has named some.
func (w *warmth) any() bool { return len(w.keys.fixed)+len(w.images.fixed) > 0 }

// say puts what is warm into conditions.
func (w *warmth) say(c *berth.Conditions) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.WarmKeys, c.WarmImages = w.keys.all(), w.images.all()
}

// tellConditions says what lacks on this machine and what is warm, now and when that has
// changed, until ctx ends. None of it is needed to work, so a failure is only logged, and
// tried again later.
func (w *Worker) tellConditions(ctx context.Context, lease string) {
	var told berth.Conditions
	for {
		next := berth.Conditions{Pressure: w.pressure()}
		w.warm.say(&next)
		if !slices.Equal(told.Pressure, next.Pressure) || !slices.Equal(told.WarmKeys, next.WarmKeys) || !slices.Equal(told.WarmImages, next.WarmImages) {
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
		w.log.Warn("conditions not said", zap.Strings("pressure", c.Pressure), zap.Int("warm_keys", len(c.WarmKeys)), zap.Int("warm_images", len(c.WarmImages)), zap.Error(err))
	}
	return err == nil
}
