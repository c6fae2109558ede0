package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"go.uber.org/zap"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/invariant"
)

// The demo: many small containers on a fleet that has room for all of them.
const (
	demoWorkers    = 20
	demoContainers = 100
	demoWithin     = 2 * time.Minute
)

// demoCapacity is what each worker says it has; the machine's is not asked.
var demoCapacity = berth.Capacity{
	Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 20 << 30},
}

func demoCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "demo",
		Usage: "place 100 containers on 20 workers, run them, and check the store",
		Description: "All in this process, on a temporary embedded etcd that syncs every write. The containers are real processes;\n" +
			"the workers' capacity is pretended (10 cores and 20 GiB each).",
		Flags: []cli.Flag{
			shimFlag(),
			boolFlag("no-cgroups", "do not limit CPU and memory"),
			stringFlag("log-level", "error", "`LEVEL`: debug, info, warn, error"),
			stringFlag("log-format", "console", "`FORMAT`: json, console"),
		},
		Action: runDemo,
	})
}

func runDemo(c *cli.Context) error {
	log, err := newLogger(c)
	if err != nil {
		return usage("%w", err)
	}
	unended, again, stop := untilSignal(c.Context)
	defer stop()
	leaveRoomForGarbage(unended)
	ctx, cancel := context.WithTimeout(unended, demoWithin)
	defer cancel()
	d := &demo{out: c.App.Writer, progress: c.App.ErrWriter, log: log}
	d.say("starting a daemon on an embedded etcd, and %d workers", demoWorkers)
	err = runLocal(ctx, localOptions{
		listen: "127.0.0.1:0", etcdListen: "127.0.0.1:0", workers: demoWorkers, name: "worker",
		capacity: demoCapacity, noCgroups: c.Bool("no-cgroups"), shim: c.String("shim"), abort: again, log: log,
	}, func(l *local) error { return d.play(ctx, l) })
	if err == nil {
		err = d.verdict()
	}
	return afterCtrlC(unended, c, err)
}

// demo gathers what is seen.
type demo struct {
	out, progress io.Writer
	log           *zap.Logger

	mu        sync.Mutex // guards all below
	begun     map[string]time.Time
	placed    map[string]time.Duration
	running   map[string]time.Duration
	perWorker map[string]int
	ended     map[string]string // id: state

	wall      time.Duration
	conflicts int64
	report    invariant.Report
	left      int
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.progress, "berth: "+format+"\n", args...)
}

func (d *demo) play(ctx context.Context, l *local) error {
	cl, err := client.New(client.Options{Address: l.api})
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := cl.Info(ctx); err != nil { // a connection, as a client that runs has
		return err
	}
	d.begun, d.placed, d.running = map[string]time.Time{}, map[string]time.Duration{}, map[string]time.Duration{}
	d.perWorker, d.ended = map[string]int{}, map[string]string{}
	d.say("submitting %d containers at once, by %d concurrent calls", demoContainers, demoContainers)
	if err := d.submit(ctx, cl); err != nil {
		return err
	}
	d.say("all are placed; waiting for their ends")
	if err := d.watch(ctx, cl); err != nil {
		return err
	}
	in, err := cl.Info(ctx)
	if err != nil {
		return err
	}
	d.conflicts, d.left = in.GetConflicts(), int(in.GetRequests())
	d.report, err = invariant.CheckStore(ctx, l.node.client, defaultPrefix, invariant.Options{})
	return err
}

func demoID(i int) string { return fmt.Sprintf("demo-%03d", i+1) }

// submit sends each request in a call of its own, all at once, and takes the
// time until the answer: a placement is answered when it is on disk.
func (d *demo) submit(ctx context.Context, cl *client.Client) error {
	start := time.Now()
	var wg sync.WaitGroup
	failed := make(chan error, demoContainers) // one each
	for i := range demoContainers {
		wg.Go(func() {
			r := &berthv1.Request{
				Id: demoID(i), Command: []string{"/bin/sleep", "0.5"},
				Resources: &berthv1.Demand{CpuMilli: 100, MemoryBytes: 256 << 20},
			}
			begun := time.Now()
			results, err := cl.Submit(ctx, []*berthv1.Request{r})
			took := time.Since(begun)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.begun[r.Id] = begun
			switch {
			case err != nil:
				failed <- fmt.Errorf("submit %s: %w", r.Id, err)
			case results[0].GetRefusal() != nil:
				failed <- fmt.Errorf("submit %s: %s", r.Id, results[0].GetRefusal().GetMessage())
			case results[0].GetStatus().GetWorker() != "":
				d.placed[r.Id] = took
			}
		})
	}
	wg.Wait()
	d.wall = time.Since(start)
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// watch follows all to their ends.
func (d *demo) watch(ctx context.Context, cl *client.Client) error {
	f := &berthv1.Filter{Ended: true}
	for i := range demoContainers {
		f.Ids = append(f.Ids, demoID(i))
	}
	err := cl.Watch(ctx, f, func(s *berthv1.Status) error {
		d.note(s)
		if len(d.ended) == demoContainers {
			return errDone
		}
		return nil
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return fmt.Errorf("watch the containers: %w", err)
}

func (d *demo) note(s *berthv1.Status) {
	begun := d.begun[s.GetId()]
	if _, ok := d.placed[s.GetId()]; !ok && s.GetPlacedAt() != nil {
		d.placed[s.GetId()] = s.GetPlacedAt().AsTime().Sub(begun)
	}
	if _, ok := d.running[s.GetId()]; !ok && s.GetStartedAt() != nil {
		d.running[s.GetId()] = s.GetStartedAt().AsTime().Sub(begun) // the same clock
	}
	if berth.State(s.GetState()).Final() && d.ended[s.GetId()] == "" {
		d.ended[s.GetId()] = s.GetState()
		d.perWorker[s.GetWorker()]++
		if s.GetState() != string(berth.StateSucceeded) {
			d.say("%s %s: %s", s.GetId(), s.GetState(), describe(s))
		}
	}
}

// verdict prints the summary, and fails if anything was not as promised.
func (d *demo) verdict() error {
	succeeded, fewest, most := 0, demoContainers, 0
	for _, state := range d.ended {
		if state == string(berth.StateSucceeded) {
			succeeded++
		}
	}
	for _, n := range d.perWorker {
		fewest, most = min(fewest, n), max(most, n)
	}
	if len(d.perWorker) < demoWorkers {
		fewest = 0
	}
	t := table{}
	t.add("placed", fmt.Sprintf("%d of %d, on %d of %d workers", len(d.placed), demoContainers, len(d.perWorker), demoWorkers))
	t.add("per worker", fmt.Sprintf("%d to %d", fewest, most))
	t.add("submit -> placed", quantiles(d.placed)+fmt.Sprintf("; all %d in %s", demoContainers, milliseconds(d.wall)))
	t.add("submit -> running", quantiles(d.running))
	t.add("conflicts", fmt.Sprint(d.conflicts))
	t.add("succeeded", fmt.Sprint(succeeded))
	t.add("left running", fmt.Sprint(d.left))
	t.add("fsck", fmt.Sprintf("%d violations in %d keys at revision %d", len(d.report.Violations), d.report.Keys, d.report.Revision))
	if err := t.write(d.out); err != nil {
		return err
	}
	if err := printViolations(d.out, d.report.Violations, false); err != nil {
		return err
	}
	switch {
	case len(d.report.Violations) > 0:
		return &exitError{code: exitViolations}
	case succeeded != demoContainers || d.left > 0:
		return fmt.Errorf("%d of %d containers succeeded, %d are left", succeeded, demoContainers, d.left)
	}
	return nil
}

// quantiles of times: half were as fast as p50, all but one in a hundred as p99.
func quantiles(times map[string]time.Duration) string {
	all := make([]time.Duration, 0, len(times))
	for _, d := range times {
		all = append(all, d)
	}
	if len(all) == 0 {
		return "none seen"
	}
	slices.Sort(all)
	at := func(p int) time.Duration { return all[(len(all)*p+99)/100-1] }
	return fmt.Sprintf("p50 %s, p99 %s", milliseconds(at(50)), milliseconds(at(99)))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
