package worker

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// keepingAgent runs an agent that leaves its containers at its end.
func keepingAgent(t *testing.T, s *site, opts Options, places ...string) (*agent, berth.Epoch, []*fakeContainer) {
	t.Helper()
	opts.OnStop = OnStopKeep
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids(places...), nil)
	var started []*fakeContainer
	for range places {
		started = append(started, a.runtime.next(t))
	}
	for _, id := range places {
		s.await("w1", berth.RequestID(id), berth.StateRunning)
	}
	return a, epoch, started
}

// end has an agent end in order, and checks that it has left its lease.
func (s *site) end(a *agent) {
	s.t.Helper()
	a.stop()
	if err := receive(s.t, a.ended, "end"); err != nil {
		s.t.Fatal(err)
	}
	s.worker("w1")
}

// The next agent goes on in the same epoch: with what runs, with what has ended
// meanwhile, and without what it finds no container of.
func TestRun_TakesUp(t *testing.T) {
	s := newSite(t)
	opts := s.testOptions("w1")
	opts.TTL = 10 * time.Second
	one, epoch, started := keepingAgent(t, s, opts, "runs", "ended", "vanished")
	byID := map[berth.RequestID]*fakeContainer{}
	for _, c := range started {
		byID[c.spec.Request] = c
	}
	s.end(one)
	byID["ended"].end(berth.Exit{Kind: berth.ExitExited, Code: 5})
	s.place("w1", epoch, ids("meanwhile"), nil)

	next := newFakeRuntime()
	stray := newFakeContainer(Spec{Request: "stray", Attempt: 1, Epoch: epoch})
	next.adopted = []Adopted{byID["ended"].left(), byID["runs"].left(), stray.left()}
	opts.Runtime = next
	two := s.run(opts)
	if again := two.epoch(); again != epoch {
		t.Fatalf("epoch %d after %d", again, epoch)
	}
	if got := s.await("w1", "ended", berth.StateExited); got.Exit.Code != 5 || got.Exit.Kind != berth.ExitExited {
		t.Errorf("ended meanwhile: %+v", got.Exit)
	}
	if got := s.await("w1", "vanished", berth.StateExited); got.Exit.Kind != berth.ExitMayHaveRun {
		t.Errorf("without a container: %+v", got.Exit)
	}
	if c := next.next(t); c.spec.Request != "meanwhile" {
		t.Errorf("%s was started", c.spec.Request)
	}
	receive(t, stray.kills, "the end of a container without an allocation")
	if len(byID["runs"].stops)+len(byID["runs"].kills) > 0 {
		t.Error("what runs was touched")
	}
	byID["runs"].end(berth.Exit{Kind: berth.ExitExited, Code: 6})
	if got := s.await("w1", "runs", berth.StateExited); got.Exit.Code != 6 {
		t.Errorf("taken up, and ended: %+v", got.Exit)
	}
	next.mu.Lock()
	defer next.mu.Unlock()
	if next.renewed.Kill <= next.renewed.Stop || next.renewed.Stop == 0 {
		t.Errorf("containers were told the deadline %+v", next.renewed)
	}
}

// What an agent has stopped for its own end, or for the lease's, is to run
// elsewhere, though it is killed before it has reported that. It once was reported
// by the next agent as the request's own failure.
func TestRun_DismissedByAFormerAgent(t *testing.T) {
	s := newSite(t)
	opts := s.testOptions("w1")
	opts.TTL = 10 * time.Second
	one, epoch, started := keepingAgent(t, s, opts, "before", "after", "own")
	s.end(one)
	byID := map[berth.RequestID]*fakeContainer{}
	for _, c := range started {
		byID[c.spec.Request] = c
	}
	asked := berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM"}
	byID["before"].Stop(0, "its agent ended")
	byID["before"].end(asked)
	byID["after"].Stop(time.Minute, "its agent ended")
	next := newFakeRuntime()
	next.adopted = []Adopted{byID["after"].left(), byID["before"].left(), byID["own"].left()}
	opts.Runtime = next
	if again := s.run(opts).epoch(); again != epoch {
		t.Fatalf("epoch %d after %d", again, epoch)
	}
	byID["after"].end(asked)
	byID["own"].end(asked)
	for id, dismissed := range map[berth.RequestID]bool{"before": true, "after": true, "own": false} {
		got := s.await("w1", id, berth.StateExited)
		if is := got.Stop != nil && got.Stop.Reason == berth.StopDrain && got.Stop.Message == "its agent ended"; is != dismissed {
			t.Errorf("%s: reported with stop %+v, exit %+v", id, got.Stop, got.Exit)
		}
	}
}

// An epoch is not taken up after its lease, nor one that was given up, nor
// another boot's; what is left of it is killed first.
func TestRun_DoesNotTakeUp(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, s *site, rec *LeaseRecord)
		others bool // the lease on record may be another agent's: it is forgotten, not revoked
	}{
		{"given up", func(_ *testing.T, _ *site, rec *LeaseRecord) { rec.GivenUp = true }, false},
		{"another boot", func(_ *testing.T, _ *site, rec *LeaseRecord) { rec.BootID = "before" }, true},
		{"a copied directory", func(_ *testing.T, _ *site, rec *LeaseRecord) { rec.StateID = "of the original" }, true},
		{"another cluster", func(_ *testing.T, _ *site, rec *LeaseRecord) { rec.Cluster++ }, false},
		{"lease over", func(t *testing.T, s *site, rec *LeaseRecord) {
			if err := s.store.RevokeLease(t.Context(), rec.Lease); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"registration deleted", func(_ *testing.T, s *site, _ *LeaseRecord) { s.deleteWorker("w1") }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			opts := s.testOptions("w1")
			opts.TTL = 3 * time.Second
			one, epoch, _ := keepingAgent(t, s, opts)
			s.end(one)
			dir, err := openStateDir(opts.StateDir)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := dir.Lease()
			if err != nil {
				t.Fatal(err)
			}
			tt.change(t, s, &rec)
			if err := dir.PutLease(rec); err != nil {
				t.Fatal(err)
			}
			if err := dir.Close(); err != nil {
				t.Fatal(err)
			}
			next := newFakeRuntime()
			killed := make(chan LeaseRecord, 10)
			next.leftovers = func() {
				d := &stateDir{path: opts.StateDir}
				now, err := d.Lease()
				if err != nil {
					t.Error(err)
				}
				killed <- now
			}
			opts.Runtime = next
			if again := s.run(opts).epoch(); again <= epoch {
				t.Errorf("epoch %d after %d", again, epoch)
			}
			if during := receive(t, killed, "kill of what was left"); during.GivenUp == tt.others {
				t.Errorf("while leftovers are killed the record is %+v", during)
			}
		})
	}
}

// A start that the last agent has recorded may have run.
func TestRun_StartedBefore(t *testing.T) {
	s := newSite(t)
	opts, runtime := s.testOptions("w1"), newFakeRuntime()
	runtime.fail = func(Spec) error { return ErrStartedBefore }
	opts.Runtime = runtime
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1"), nil)
	if got := s.await("w1", "r1", berth.StateExited); got.Exit.Kind != berth.ExitMayHaveRun {
		t.Errorf("exit %+v", got.Exit)
	}
}

// Whose epoch is taken up is told of each setting that has changed; what is free
// on the disk is none (in chaos, each restart warned of it).
func TestTellChanges(t *testing.T) {
	was := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 4000, MemoryBytes: 1 << 30, DiskBytes: 7 << 30}}
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   int
		logged string
	}{
		{"nothing", func(*Options) {}, 0, ""},
		{"disk, found", func(o *Options) { o.DiskFound, o.Capacity.DiskBytes = true, 6<<30 }, 0, ""},
		{"disk, set", func(o *Options) { o.Capacity.DiskBytes = 6 << 30 }, 1, `"now":{"cpu_milli":4000,"memory_bytes":1073741824,"disk_bytes":6442450944}`},
		{"memory and disk, found", func(o *Options) { o.DiskFound, o.Capacity.DiskBytes, o.Capacity.MemoryBytes = true, 6<<30, 2<<30 }, 1, ""},
		{"spot", func(o *Options) { o.Spot = true }, 1, `"registered":false,"now":true`},
		{"images", func(o *Options) { o.Runtime = &fakeRuntime{images: true} }, 1, ""},
		{"labels", func(o *Options) { o.Labels = map[string]string{"rack": "2"} }, 1, `"registered":null,"now":{"rack":"2"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			w := &Worker{log: zap.New(core), opts: Options{Pool: "default", Capacity: was, Runtime: newFakeRuntime()}}
			w.opts.setDefaults()
			tt.change(&w.opts)
			w.tellChanges(&berth.Worker{Pool: "default", Capacity: was})
			if n := logs.Len(); n != tt.want {
				t.Errorf("%d warnings, want %d: %v", n, tt.want, logs.All())
			}
			for _, e := range logs.All() { // as JSON, and not as Go has it
				line, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{}).EncodeEntry(e.Entry, e.Context)
				if err != nil || tt.logged != "" && !strings.Contains(line.String(), tt.logged) {
					t.Errorf("%s (%v), want %s", line, err, tt.logged)
				}
			}
		})
	}
}

// A container that ends after it was taken up, and before the watch has told of
// its allocation, is not forgotten: its end is reported. It once was, and its
// request ran a second time.
func TestRun_EndsBeforeTheWatch(t *testing.T) {
	s := newSite(t)
	opts := s.testOptions("w1")
	opts.TTL = 10 * time.Second
	one, epoch, started := keepingAgent(t, s, opts, "r")
	s.end(one)
	next := newFakeRuntime()
	next.adopted = []Adopted{started[0].left()}
	opts.Runtime = next
	told := make(chan struct{})
	opts.follow = func(ctx context.Context, w berth.WorkerID, deliver func(context.Context, etcdstore.Delta) error) error {
		<-told
		return s.store.FollowWorker(ctx, w, deliver)
	}
	if again := s.run(opts).epoch(); again != epoch {
		t.Fatalf("epoch %d after %d", again, epoch)
	}
	for next.deadline().Kill == 0 { // it was not taken up yet
		<-time.After(time.Millisecond)
	}
	started[0].end(berth.Exit{Kind: berth.ExitExited, Code: 7})
	<-time.After(200 * time.Millisecond) // the agent sees it
	close(told)
	if got := s.await("w1", "r", berth.StateExited); got.Exit.Kind != berth.ExitExited || got.Exit.Code != 7 {
		t.Errorf("its end is %+v", got.Exit)
	}
}
