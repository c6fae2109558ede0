package daemon

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// pastClock keeps when this daemon's view was at which revision: so a time of the past
// can be looked up. The last sample is the latest there is; of the others, the next but
// one is more than a second later.
type pastClock struct {
	samples []sample
	written int64     // bytes of all changes since the first sample
	thinned time.Time // of the samples before, the next but one is more than a minute later
}

type sample struct {
	revision berth.Revision
	at       time.Time
	written  int64 // up to it
}

// Half a day in which something changes all the time, in 3.3 MiB. When there are more, of
// the older half two a minute are left, and of those two weeks at most.
const (
	samplesMost = 86_400
	thinMost    = samplesMost / 2
)

// passed notes that the view is at a revision, by changes of so many bytes.
func (c *pastClock) passed(rev berth.Revision, bytes int64, now time.Time) {
	n := len(c.samples)
	if n > 0 {
		c.written += bytes
	}
	switch {
	case n > 0 && c.samples[n-1].revision == rev:
		return
	case n > 1 && now.Sub(c.samples[n-2].at) < time.Second:
		c.samples = c.samples[:n-1]
	case n == samplesMost:
		c.thin()
	}
	c.samples = append(c.samples, sample{rev, now, c.written})
}

// thin makes room for more samples.
func (c *pastClock) thin() {
	kept := c.samples[:0]
	for _, s := range c.samples[:samplesMost/2] {
		if n := len(kept); n > 1 && s.at.Sub(kept[n-2].at) < time.Minute {
			kept = kept[:n-1]
		}
		kept = append(kept, s)
	}
	c.thinned = kept[len(kept)-1].at
	dense := c.samples[samplesMost/2:]
	if len(kept) > thinMost*9/10 { // else it would be thinned in vain, and soon again
		kept = kept[len(kept)-thinMost/2:]
	}
	c.samples = slices.Concat(kept, dense)
}

// at is the last sample that is not after a time.
func (c *pastClock) at(t time.Time) (sample, bool) {
	i := c.after(t)
	if i == 0 {
		return sample{}, false
	}
	return c.samples[i-1], true
}

// first is the first moment at which the view was at a revision, or after it; zero: none is known.
func (c *pastClock) first(rev berth.Revision) time.Time {
	if i := c.from(rev); i < len(c.samples) {
		return c.samples[i].at
	}
	return time.Time{}
}

// after is the first sample after a time.
func (c *pastClock) after(t time.Time) int {
	i, _ := slices.BinarySearchFunc(c.samples, t, func(s sample, t time.Time) int {
		return cmp.Or(s.at.Compare(t), -1) // behind all of that very moment
	})
	return i
}

// until is the revision of the first sample after a time, or newest: the view was at no later one then.
func (c *pastClock) until(t time.Time, newest berth.Revision) berth.Revision {
	if i := c.after(t); i < len(c.samples) {
		return c.samples[i].revision
	}
	return newest
}

// rough says whether the sample of a time may be a minute older than that.
func (c *pastClock) rough(t time.Time) bool { return t.Before(c.thinned) }

// when is the moment at which the view has passed a revision, or shortly after; zero where
// this daemon has not seen that.
func (c *pastClock) when(rev berth.Revision) time.Time {
	i := c.from(rev)
	if i == 0 || i == len(c.samples) { // the first is what it found when it started
		return time.Time{}
	}
	return c.samples[i].at
}

// from is the first sample that is not before a revision.
func (c *pastClock) from(rev berth.Revision) int {
	i, _ := slices.BinarySearchFunc(c.samples, rev, func(s sample, rev berth.Revision) int { return cmp.Compare(s.revision, rev) })
	return i
}

// since is how many bytes the changes after a revision take, as far as they were counted.
func (c *pastClock) since(rev berth.Revision) int64 {
	i := c.from(rev)
	switch {
	case i == len(c.samples):
		return 0
	case c.samples[i].revision > rev && i > 0:
		i--
	}
	return c.written - c.samples[i].written
}

// beyond is the first revision after which changes take no more than so many bytes; 0: all that
// were counted take no more.
func (c *pastClock) beyond(bytes int64) berth.Revision {
	i, _ := slices.BinarySearchFunc(c.samples, c.written-bytes, func(s sample, written int64) int { return cmp.Compare(s.written, written) })
	if i == 0 || i == len(c.samples) {
		return 0
	}
	return c.samples[i].revision
}
