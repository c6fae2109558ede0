package daemon

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// Reading all of a store is work for it: so many read at once, each for so long.
const (
	readersMost = 2
	readWithin  = 5 * time.Minute
)

// reading takes one of the places of those who read the whole store.
func (d *Daemon) reading(ctx context.Context, what string) (context.Context, func(), error) {
	select {
	case d.readers <- struct{}{}:
	default:
		return nil, nil, fmt.Errorf("%s: %w: at most %d read the whole store at once", what, ErrBusy, readersMost)
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	return ctx, func() { cancel(); <-d.readers }, nil
}

// Snapshot writes what a scheduler needs to know of the store, at one revision (0:
// the newest). It reads the store, and asks the loop for nothing but what it has learned, which
// no store tells: not for which revision is the newest either. The view may be behind what this
// daemon has just answered, for the watch confirms that later, and who submits something and asks what would happen next has to find it.
func (d *Daemon) Snapshot(ctx context.Context, rev berth.Revision, w io.Writer) error {
	ctx, done, err := d.reading(ctx, "snapshot")
	if err != nil {
		return err
	}
	defer done()
	var learned snapshot.Header // in the past it was something else
	if rev == 0 {
		if rev, err = d.store.Newest(ctx); err == nil {
			learned, err = d.learned(ctx)
		}
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	learned.Revision, learned.TakenAt, learned.Policy = rev, d.opts.Now().UTC(), scheduler.PolicyVersion
	out, err := snapshot.NewWriter(w, learned)
	if err != nil {
		return err
	}
	if _, err := d.store.ScanAt(ctx, rev, snapshot.Kinds, out.Put); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return out.Close()
}

// learned is what pools with devices were asked for lately, and who was served when; of a daemon that is loading, so far.
func (d *Daemon) learned(ctx context.Context) (snapshot.Header, error) {
	out := make(chan snapshot.Header, 1) // one answer, which nobody may want any more
	if err := d.post(ctx, func(l *loop) {
		out <- snapshot.Header{Mixes: l.fleet.Mixes(), Served: snapshot.ServedOf(l.fair.shares)}
	}); err != nil {
		return snapshot.Header{}, err
	}
	return answerOf(ctx, d, out)
}
