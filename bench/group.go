package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// GroupOptions of groups that are placed wholly, each by one transaction, one group after
// the other: how long a submitter waits until all members have their places. Of Options
// it takes StoreDir, Dial, Requests (groups; default 300), Progress, Say, Log and Profile.
type GroupOptions struct {
	Options
	Size   int           // members of a group, and workers that have room for one each; default 256
	Beside int           // requests a second that come by themselves meanwhile, for as many workers more; default none
	Pause  time.Duration // before each group, so that the store is idle: etcd writes its file 100 ms after the last change; default 150 ms, below zero none
}

// Bounds of GroupOptions, and of what is not asked for.
const (
	maxGroupPause = time.Minute
	groupWarmup   = 20 // groups before the clock runs
	besidePerCall = 5
	besideMemory  = 1 << 10 // bytes that one of those beside asks for
)

func (o *GroupOptions) defaults() {
	o.Options.defaults(1, 300)
	setDefault(&o.Size, 256)
	setDefault(&o.Pause, 150*time.Millisecond)
	o.Pause = max(o.Pause, 0)
	o.Workers = o.Size
	if o.Beside > 0 {
		o.Workers *= 2
	}
}

// Validate checks every bound.
func (o GroupOptions) Validate() error {
	o.defaults()
	if err := within(bound{"size", o.Size, 1, berth.MaxGroupSize}, bound{"groups", o.Requests, 1, maxBursts}, bound{"beside", o.Beside, 0, maxRate}); err != nil {
		return err
	}
	if o.Pause > maxGroupPause {
		return &berth.FieldError{Field: "pause", Value: o.Pause.String(), Problem: "is not allowed", Bound: "0s to " + maxGroupPause.String()}
	}
	return o.validate()
}

// GroupReport is what berth bench group tells. docs/performance.md says what each field
// means. What is not known is null.
type GroupReport struct {
	Bench string `json:"bench"` // group
	Circumstances
	Interrupted bool         `json:"interrupted"`
	Groups      int          `json:"groups"`
	CPUs        int          `json:"cpus"`
	Setup       GroupSetup   `json:"setup"`
	Quantiles                // from the call until all members are placed
	Txns        *float64     `json:"transactions_per_group"`
	Limit       *Quantiles   `json:"limit"`
	Ratio       *float64     `json:"ratio"`
	Others      *GroupBeside `json:"others"`
	Histogram   []Bar        `json:"histogram"`
	Violations  []string     `json:"violations"`
}

// GroupSetup is what was asked for.
type GroupSetup struct {
	External bool    `json:"external"`
	Size     int     `json:"size"`
	Workers  int     `json:"workers"`
	Beside   int     `json:"beside_per_s"`
	PauseMS  float64 `json:"pause_ms"`
}

// GroupBeside is what became of those that came by themselves.
type GroupBeside struct {
	PerS float64 `json:"per_s"`
	Quantiles
}

// Group measures it.
func Group(ctx context.Context, opts GroupOptions) (*GroupReport, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	g := &grouping{opts: &opts, waits: NewLatency(), limit: NewLatency()}
	err := g.run(ctx)
	if g.waits.Count() == 0 {
		return nil, err
	}
	return g.report(ctx.Err() != nil), err
}

type grouping struct {
	opts   *GroupOptions
	etcd   *etcd
	site   *site
	waits  *Latency
	limit  *Latency // of the groups' own transactions, bare; only where nothing else is sent
	txns   int
	others *GroupBeside
	broken []string
}

func (g *grouping) run(ctx context.Context) (err error) {
	if g.etcd, err = openEtcd(ctx, &g.opts.Options); err != nil {
		return errors.Join(err, closeIf(g.etcd))
	}
	defer func() { err = errors.Join(err, g.etcd.close()) }()
	member := berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 20}
	room := berth.Capacity{Quantities: member}
	room.MemoryBytes += 64 << 30 // of those beside, millions fit on each
	if _, err := newFleet(ctx, g.etcd, g.opts.Workers, room, nil); err != nil {
		return err
	}
	if g.site, err = openSite(ctx, g.etcd, siteOptions{daemons: 1}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.site.close()) }()
	if err := g.site.ready(ctx, g.opts.Workers); err != nil {
		return err
	}
	for i := range groupWarmup {
		if _, err := g.one(ctx, i, member); err != nil {
			return unlessCut(ctx, err)
		}
	}
	settle()
	if err := unlessCut(ctx, g.beside(ctx, func(ctx context.Context) error { return g.all(ctx, member) })); err != nil || ctx.Err() != nil {
		return err
	}
	found, err := g.etcd.check(ctx)
	for _, v := range found {
		g.broken = append(g.broken, v.String())
	}
	return err
}

// all are the groups that count.
func (g *grouping) all(ctx context.Context, member berth.Quantities) (err error) {
	bare := g.etcd.prefix[:len(g.etcd.prefix)-1] + "-bare/"
	if g.opts.Beside == 0 {
		defer func() { err = errors.Join(err, sweepBare(ctx, g.etcd.client, bare)) }()
	}
	done := g.opts.Progress.begin("groups until they are placed", g.opts.Requests)
	return g.opts.profiled(func() error {
		for i := range g.opts.Requests {
			took, err := g.one(ctx, groupWarmup+i, member)
			if err != nil {
				return unlessCut(ctx, err)
			}
			g.waits.Record(took.whole)
			if g.opts.Beside == 0 {
				g.txns += len(took.writes)
				if err := g.bare(ctx, bare, took.writes); err != nil {
					return unlessCut(ctx, err)
				}
			}
			done(1)
		}
		return nil
	})
}

// grouped is what one group took, and wrote.
type grouped struct {
	whole  time.Duration
	writes []bareWrite
}

// one group from its call until all members have their places; then it is ended.
func (g *grouping) one(ctx context.Context, i int, member berth.Quantities) (grouped, error) {
	select {
	case <-time.After(g.opts.Pause):
	case <-ctx.Done():
		return grouped{}, ctx.Err()
	}
	r := berth.Request{
		ID: requestID('g', i), Command: []string{"true"}, Resources: berth.Demand{Quantities: member}, StartTimeoutMS: longStart.Milliseconds(),
		Group: &berth.Membership{Size: int64(g.opts.Size)},
	}
	d := g.site.daemons[0]
	if g.opts.Beside == 0 {
		g.etcd.sums.startTap()
	}
	began := time.Now()
	results, err := d.Submit(ctx, []berth.Request{r})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		return grouped{}, fmt.Errorf("submit group %s: %w", r.ID, err)
	}
	group := berth.GroupID(r.ID)
	if _, err := Placed(ctx, d, group.Members(int64(g.opts.Size))[0]); err != nil { // they are placed together
		return grouped{}, err
	}
	out := grouped{whole: time.Since(began)}
	for _, t := range g.etcd.sums.stopTap() {
		out.writes = append(out.writes, weightOf(t))
	}
	if _, err := d.CancelGroup(ctx, group, ""); err != nil {
		return grouped{}, fmt.Errorf("cancel group %s: %w", group, err)
	}
	return out, until(ctx, func() (bool, error) {
		_, err := d.Group(ctx, group)
		if errors.Is(err, daemon.ErrNotFound) {
			return true, nil
		}
		return false, err
	})
}

// bare sends the same weight with no Berth in the way, one transaction after the other.
func (g *grouping) bare(ctx context.Context, prefix string, writes []bareWrite) error {
	var took time.Duration
	for _, w := range writes {
		one, err := sendBare(ctx, g.etcd.sender, prefix, w)
		if err != nil {
			return err
		}
		took += one
	}
	g.limit.Record(took)
	return nil
}

// beside runs the groups while others come at their rate, if any are to.
func (g *grouping) beside(ctx context.Context, run func(context.Context) error) error {
	if g.opts.Beside == 0 {
		return run(ctx)
	}
	shared := Options{Shapes: []berth.Demand{{Quantities: berth.Quantities{MemoryBytes: besideMemory}}}}
	perGroup := g.opts.Pause.Seconds() + 1 // more than a group takes on a machine that can hold the rate
	load := shared.requests('o', min(maxAllocated, int(float64(g.opts.Beside)*perGroup*float64(g.opts.Requests))))
	d := &drive{
		site: g.site, by: g.site.submitters(ViaProcess), load: load, perCall: besidePerCall, rate: float64(g.opts.Beside),
		latency: NewLatency(), done: func(int) {},
	}
	own, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1) // its one answer
	began := time.Now()
	go func() { failed <- d.run(own) }()
	err := run(ctx)
	placed, took := d.count.Load(), time.Since(began)
	cancel()
	err = errors.Join(err, <-failed)
	g.others = &GroupBeside{PerS: float64(placed) / took.Seconds(), Quantiles: quantilesOf(d.latency)}
	return err
}

func (g *grouping) report(cut bool) *GroupReport {
	r := &GroupReport{
		Bench: "group", Circumstances: g.opts.circumstances(), Interrupted: cut, Groups: int(g.waits.Count()), CPUs: runtime.GOMAXPROCS(0),
		Setup: GroupSetup{
			External: g.opts.Dial != nil, Size: g.opts.Size, Workers: g.opts.Workers, Beside: g.opts.Beside, PauseMS: float64(g.opts.Pause.Milliseconds()),
		},
		Quantiles: quantilesOf(g.waits), Others: g.others, Histogram: notNil(g.waits.Bars()), Violations: notNil(g.broken),
	}
	if g.limit.Count() > 0 {
		r.Txns, r.Limit = ptr(float64(g.txns)/float64(r.Groups)), ptr(quantilesOf(g.limit))
		r.Ratio = ptr(*r.Limit.P50MS / *r.P50MS)
	}
	return r
}
