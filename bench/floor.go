package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
)

// floor writes what a scheduler wrote, with no scheduler: as fast as etcd takes it.
// Its transactions are made before the clock runs, so that nothing is measured but
// the store.
type floor struct {
	etcd      *etcd
	fleet     *fleet
	templates []template
	bare      bool          // a bare loop of such transactions: nothing of one depends on another
	within    time.Duration // by its own clock, after which no batch is begun; 0: none
	done      func(int)
}

// chunkUnits are made ready at once: it bounds the memory.
const chunkUnits = 16_384

const floorTxnTimeout = 30 * time.Second

// errFloorConflict is a bug: no two writers meet.
var errFloorConflict = errors.New("a compare of the floor's own transaction failed")

// run writes all bursts, one after the other, at a point; the latency is of
// transactions, and walls are of bursts. When ctx ends, what is done so far counts.
func (f *floor) run(ctx context.Context, bursts [][]unit, at Point) (Measure, []time.Duration, error) {
	settle()
	m := Measure{Latency: NewLatency()}
	var walls []time.Duration
	for _, burst := range bursts {
		before := m.Wall
		for len(burst) > 0 {
			n := min(len(burst), chunkUnits)
			if err := f.chunk(ctx, burst[:n], at, &m); err != nil {
				return m, walls, err
			}
			burst = burst[n:]
			if ctx.Err() != nil || f.spent(&m) {
				m.Cut = true
				m.finish(ctx, f.etcd)
				return m, walls, nil
			}
		}
		walls = append(walls, m.Wall-before)
	}
	m.finish(ctx, f.etcd)
	return m, walls, nil
}

// spent says whether the floor's own time is over.
func (f *floor) spent(m *Measure) bool { return f.within > 0 && m.Wall >= f.within }

func (f *floor) chunk(ctx context.Context, units []unit, at Point, m *Measure) error {
	mk := &maker{fleet: f.fleet, templates: f.templates, bare: f.bare}
	var all [][]*ready
	for _, lane := range lanes(units, at.Concurrency) {
		var txns []*ready
		for len(lane) > 0 {
			n := min(len(lane), at.Batch)
			txns = append(txns, mk.batch(lane[:n])...)
			lane = lane[n:]
		}
		all = append(all, txns)
	}
	written := make([]int, len(all))
	from := f.etcd.read(ctx, false)
	if f.within > 0 { // what was made ready before is not on this clock
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.within-m.Wall)
		defer cancel()
	}
	g, ctx := errgroup.WithContext(ctx)
	for i, txns := range all {
		g.Go(func() (err error) {
			written[i], err = f.lane(ctx, txns, m.Latency)
			return err
		})
	}
	err := g.Wait()
	m.add(from, f.etcd.read(ctx, true))
	for _, n := range written {
		m.Placements += n
	}
	return err
}

// lane sends its transactions in order; a batch that has begun is ended.
func (f *floor) lane(ctx context.Context, txns []*ready, l *Latency) (int, error) {
	if f.bare {
		return f.bareLane(ctx, txns, l)
	}
	written := 0
	var revs []int64 // of the batch's steps
	for i := range txns {
		t := txns[i]
		if t.first {
			if i > 0 && ctx.Err() != nil {
				break
			}
			revs = revs[:0]
		}
		for _, p := range t.patches {
			if p.worker >= 0 {
				p.to.ModRevision = int64(f.fleet.mods[p.worker])
			} else {
				p.to.ModRevision = revs[p.from]
			}
		}
		began := time.Now()
		resp, err := f.send(ctx, t)
		if err != nil {
			return written, err
		}
		l.Record(time.Since(began))
		revs = append(revs, resp.Header.Revision)
		for _, w := range t.rewrites {
			f.fleet.mods[w] = berth.Revision(resp.Header.Revision)
		}
		if t.last {
			written += t.members
			f.tell(t.members)
		}
	}
	return written, nil
}

// bareLane is the loop that the floor is compared with.
func (f *floor) bareLane(ctx context.Context, txns []*ready, l *Latency) (int, error) {
	written := 0
	for i := range txns {
		t := txns[i]
		if i > 0 && t.first && ctx.Err() != nil {
			break
		}
		began := time.Now()
		if _, err := f.send(ctx, t); err != nil {
			return written, err
		}
		l.Record(time.Since(began))
		if t.last {
			written += t.members
			f.tell(t.members)
		}
	}
	return written, nil
}

func (f *floor) send(ctx context.Context, t *ready) (*pb.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), floorTxnTimeout)
	defer cancel()
	resp, err := f.etcd.sender.SendTxn(ctx, &t.TxnRequest)
	if err != nil {
		return nil, fmt.Errorf("write %d placements: %w", t.members, err)
	}
	if !resp.Succeeded {
		return nil, fmt.Errorf("write %d placements, step %d: %w", t.members, t.step+1, errFloorConflict)
	}
	return resp, nil
}

func (f *floor) tell(n int) {
	if f.done != nil {
		f.done(n)
	}
}
