package robustness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/invariant"
	"github.com/berthd/berth/robustness/memetcd"
)

// replays decides every placement of a run again, as soon as it is in the store, and
// demands the same answer. It reads the store beside the network, and takes no time.
type replays struct {
	c      *checker
	again  daemon.Replayer
	placed []placed
}

type placed struct {
	id      berth.RequestID
	attempt int64
}

func newReplays(c *checker) *replays {
	store, err := etcdstore.New(memetcd.NewClient(context.Background(), beside{c.w.store}), etcdstore.Options{})
	if err != nil {
		panic("the simulation's store has no options that could be wrong: " + err.Error())
	}
	return &replays{c: c, again: daemon.Replayer{Store: store}}
}

// saw notes what a revision has placed.
func (r *replays) saw(e invariant.Event) {
	parts := strings.Split(e.Key, "/")
	if e.Deleted || parts[0] != "allocations" || e.Create != e.Mod {
		return
	}
	var a berth.Allocation
	if json.Unmarshal(e.Value, &a) == nil { // else the invariants say so
		r.placed = append(r.placed, placed{berth.RequestID(parts[2]), a.Attempt})
	}
}

// run replays what was placed since.
func (r *replays) run() {
	for _, p := range r.placed {
		got, err := r.again.Replay(context.Background(), p.id, p.attempt)
		switch {
		case err != nil:
			r.c.fail("replay", fmt.Sprintf("attempt %d of %s: %v", p.attempt, p.id, err), string(p.id))
		case got.Outcome == daemon.ReplayCannot && !allowed(got.Cause):
			r.c.fail("replay", fmt.Sprintf("attempt %d of %s cannot be replayed: %s", p.attempt, p.id, got.Why), string(p.id))
		case got.Outcome == daemon.ReplayDiffers && got.Victims != nil && got.Victims.Outcome == daemon.ReplayDiffers:
			r.c.fail("replay", fmt.Sprintf("attempt %d of %s was placed on %s at revision %d, where %v made room at revision %d, and %v would: %s: %+v", p.attempt, p.id, got.Worker, got.Revision, got.Victims.Were, got.Victims.At, got.Victims.Again, got.Victims.Why, *got.Basis),
				string(p.id), string(got.Worker))
		case got.Outcome == daemon.ReplayDiffers:
			r.c.fail("replay", fmt.Sprintf("attempt %d of %s was placed on %s %+v at revision %d, and would be on %s %+v: %+v", p.attempt, p.id, got.Worker, got.Share, got.Revision, got.Again.Worker, got.Again.Share, *got.Basis),
				string(p.id), string(got.Worker), string(got.Again.Worker))
		case got.Outcome == daemon.ReplayCannot:
			r.c.w.tally.Unreplayed++
		case got.Outcome == daemon.ReplaySame:
			r.c.w.tally.Replays++
			r.c.w.tally.victims(got.Victims)
		}
	}
	r.placed = r.placed[:0]
}

// allowed says whether a placement may not be replayed for this cause: what is kept of
// history, and in a basis, is bounded.
func allowed(cause daemon.ReplayCause) bool {
	return cause == daemon.CauseForgotten || cause == daemon.CausePartial || cause == daemon.CauseRelated
}

// beside is a connection that only reads.
type beside struct{ store *memetcd.Store }

func (b beside) Call(_ context.Context, req proto.Message) (proto.Message, error) {
	return b.store.Do(req)
}

var errNoWatch = errors.New("no watch beside the network")

func (beside) Watch(context.Context, *pb.WatchCreateRequest) (memetcd.Stream, error) {
	return nil, errNoWatch
}

func (beside) Progress(context.Context) error { return errNoWatch }
