package daemon

import (
	"cmp"
	"container/heap"
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// archived is what the view keeps of an archive record: the record itself may
// be as large as its request.
type archived struct {
	id          berth.RequestID
	mod         berth.Revision
	size        int64
	digest      string
	submittedAt time.Time
	endedAt     time.Time
	replacedBy  berth.RequestID
	marked      bool // told of by the load in progress
}

// Of the archive: how many records one purge deletes, and how many of the last
// ended are kept whole in memory, for those who wait for an end.
const (
	purgeBatch   = 100
	recentlyKept = 4096
)

// archiveIndex orders the archive by age, for retention, and remembers the
// latest records.
type archiveIndex struct {
	oldest  ageHeap
	bytes   int64
	count   int
	purging bool
	recent  map[berth.RequestID]*berth.Archive
	ring    []berth.RequestID
	at      int
}

type aged struct {
	id      berth.RequestID
	mod     berth.Revision
	since   time.Time // its age counts from here: see clocks.go
	endedAt time.Time
	size    int64
}

func newArchiveIndex() *archiveIndex {
	return &archiveIndex{
		recent: make(map[berth.RequestID]*berth.Archive, recentlyKept),
		ring:   make([]berth.RequestID, recentlyKept),
	}
}

// remember keeps a whole record while it is among the latest.
func (x *archiveIndex) remember(id berth.RequestID, a *berth.Archive) {
	if _, ok := x.recent[id]; !ok {
		delete(x.recent, x.ring[x.at])
		x.ring[x.at] = id
		x.at = (x.at + 1) % len(x.ring)
	}
	x.recent[id] = a
}

// markArchive keeps the index in line with the archive, and purges what is due.
func (l *loop) markArchive(f berth.Fact) {
	id := berth.RequestID(f.Key.ID)
	l.touched(id)
	l.cancelEnded(id)
	delete(l.suspicions, id)
	a, ok := f.Record.(*archived)
	if !ok {
		delete(l.archive.recent, id)
		return
	}
	heap.Push(&l.archive.oldest, aged{id: id, mod: f.Mod, since: l.since(a.endedAt, l.now(), f.Mod), endedAt: a.endedAt, size: f.Size})
	l.archive.bytes += f.Size
	l.archive.count++
	l.due.add(berth.Key{Kind: berth.KindArchive})
}

// purge deletes the oldest records that retention no longer covers, a small
// batch at a time; the next follows when this one is done.
func (l *loop) purge() {
	x := l.archive
	if x.purging {
		return
	}
	keep, now := l.d.opts.Retention, l.now()
	var batch []aged
	for len(x.oldest) > 0 && len(batch) < purgeBatch {
		o := x.oldest[0]
		expires := o.since.Add(keep.MaxAge)
		tooLarge := x.bytes > l.archiveBound() && now.Sub(o.since) > l.keptAtLeast()
		if now.Before(expires) && !tooLarge {
			l.timers.set(berth.Key{Kind: berth.KindArchive}, l.nextPurge(expires, o.since))
			break
		}
		heap.Pop(&x.oldest)
		x.bytes -= o.size
		x.count--
		if a := l.view.archived(o.id); a != nil && a.mod == o.mod {
			batch = append(batch, o)
		}
	}
	if len(batch) > 0 {
		x.purging = true
		go l.purgeBatch(batch)
	}
}

// archiveBound is how large the archive may be: what was asked for, and never
// more than a quarter of the store.
func (l *loop) archiveBound() int64 {
	if q := l.space.QuotaBytes / 4; q > 0 {
		return min(l.d.opts.Retention.MaxBytes, q)
	}
	return l.d.opts.Retention.MaxBytes
}

// keptAtLeast is how long a record stays where bytes press. A submitter who asks
// again after a time-out finds it, and a copy of the submission that was held up on
// its way is refused by it: once it is purged, such a copy submits the request anew.
// In a store that is nearly full that is the lesser evil.
func (l *loop) keptAtLeast() time.Duration {
	if l.space.Above(fullAt) {
		return keptWhenFull
	}
	return keptPressed
}

const (
	keptPressed  = 10 * time.Minute
	keptWhenFull = time.Minute
)

func (l *loop) nextPurge(expires, since time.Time) time.Time {
	if l.archive.bytes > l.archiveBound() {
		return sooner(expires, since.Add(l.keptAtLeast()+time.Millisecond))
	}
	return expires
}

func (l *loop) purgeBatch(batch []aged) {
	ctx, cancel := context.WithTimeout(context.Background(), finishIn)
	defer cancel()
	items := make([]etcdstore.PurgeItem, len(batch))
	for i, o := range batch {
		items[i] = etcdstore.PurgeItem{ID: o.id, Mod: o.mod}
	}
	_, err := l.store.PurgeArchive(ctx, items)
	// Also when the time is up: nothing else would ever be purged. A loop that has ended
	// needs no answer.
	_ = l.post(context.WithoutCancel(ctx), func() { l.purged(batch, err) })
}

func (l *loop) purged(batch []aged, err error) {
	l.archive.purging = false
	k := berth.Key{Kind: berth.KindArchive}
	if err == nil {
		l.due.add(k)
		return
	}
	l.log.Warn("purge of the archive failed", zap.Error(err))
	for _, o := range batch {
		heap.Push(&l.archive.oldest, o)
		l.archive.bytes += o.size
		l.archive.count++
	}
	l.timers.set(k, l.now().Add(pause))
}

type ageHeap []aged

func (h ageHeap) Len() int { return len(h) }
func (h ageHeap) Less(i, j int) bool {
	return cmp.Or(h[i].since.Compare(h[j].since), h[i].endedAt.Compare(h[j].endedAt), cmp.Compare(h[i].id, h[j].id)) < 0
}
func (h ageHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *ageHeap) Push(x any)   { *h = append(*h, x.(aged)) } //nolint:errcheck // only aged is pushed
func (h *ageHeap) Pop() any {
	old := *h
	o := old[len(old)-1]
	*h = old[:len(old)-1]
	return o
}
