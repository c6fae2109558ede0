package bench

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
)

// drive is a load of requests: from callers that each wait for an answer before the
// next call (a closed loop), or at a rate, whatever the answers do (an open one).
type drive struct {
	site    *site
	by      []submitter
	load    *requests
	callers int
	perCall int
	rate    float64 // requests a second; 0: closed
	// ended waits until a request is over; nil: it is over when it is placed.
	ended func(ctx context.Context, i int) error

	latency *Latency
	placed  []berth.WorkerID // of each request; written once by its caller
	count   atomic.Int64
	done    func(int)
}

// outstandingMost bounds the calls of an open loop that wait for an answer.
const outstandingMost = 65_536

// run submits all. When ctx ends, what has ended by then counts.
func (d *drive) run(ctx context.Context) error {
	d.placed = make([]berth.WorkerID, len(d.load.drawn))
	run := d.closed
	if d.rate > 0 {
		run = d.open
	}
	err := run(ctx)
	if ctx.Err() != nil {
		return nil // whatever was refused or unknown then
	}
	return err
}

func (d *drive) closed(parent context.Context) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(parent)
	for caller := range d.callers {
		g.Go(func() error {
			for ctx.Err() == nil {
				from := int(next.Add(int64(d.perCall))) - d.perCall
				if from >= len(d.load.drawn) {
					return nil
				}
				if err := d.call(ctx, caller, from, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// open counts each request's time from the moment at which it was due: a daemon that
// stands still is not asked less for that.
func (d *drive) open(parent context.Context) error {
	g, ctx := errgroup.WithContext(parent)
	g.SetLimit(outstandingMost)
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for from := 0; from < len(d.load.drawn) && ctx.Err() == nil; from += d.perCall {
		due := start.Add(time.Duration(float64(from) / d.rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return g.Wait()
			}
		}
		g.Go(func() error { return d.call(ctx, from/d.perCall, from, due) })
	}
	return g.Wait()
}

func (d *drive) call(ctx context.Context, caller, from int, began time.Time) error {
	to := min(from+d.perCall, len(d.load.drawn))
	requests := make([]berth.Request, 0, to-from)
	for i := from; i < to; i++ {
		requests = append(requests, d.load.at(i))
	}
	at := caller % len(d.by)
	workers, err := d.by[at](ctx, requests)
	if err != nil {
		return err
	}
	for i, w := range workers {
		if w == "" {
			if w, err = Placed(ctx, d.site.daemons[at], requests[i].ID); err != nil {
				return err
			}
		}
		d.placed[from+i] = w
		if d.ended != nil {
			if err := d.ended(ctx, from+i); err != nil {
				return err
			}
		}
		d.latency.Record(time.Since(began))
		d.count.Add(1)
		d.done(1)
	}
	return nil
}

// units are what was placed, in the order of the requests.
func (d *drive) units(f *fleet) []unit { return d.unitsOf(f.index()) }

func (d *drive) unitsOf(index map[berth.WorkerID]int) []unit {
	out := make([]unit, 0, len(d.placed))
	for i, w := range d.placed {
		if w != "" {
			out = append(out, unit{id: string(requestID(d.load.kind, i)), worker: index[w], form: int(d.load.drawn[i])})
		}
	}
	return out
}
