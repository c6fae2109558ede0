package chaos_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

var (
	minutes = flag.Int("minutes", 0, "of TestChaos; 0: a short one")
	seedOf  = flag.Uint64("seed", 0, "of TestChaos; 0: a new one")
	output  = flag.String("report", "", "`FILE` that TestChaos writes its outcome to, as JSON")
)

// settleWithin bounds the end: all faults are mended, and what was accepted ends.
const settleWithin = 4 * time.Minute

// TestChaos is the promise: whatever dies, everything that was accepted ends,
// once and as it should; no capacity leaks; every revision keeps the invariants; and
// no two containers of one request ever run at the same instant.
func TestChaos(t *testing.T) {
	opts := short()
	if *minutes > 0 {
		opts = whole(time.Duration(*minutes) * time.Minute)
	}
	seed := *seedOf
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	t.Logf("seed %d: make chaos MINUTES=%d SEED=%d", seed, *minutes, seed)
	s := newSite(t, opts)
	follower := newFollower(s.etcd.Client())
	stopCheck, stopArchive := background(t, follower.check), background(t, follower.followArchive)
	watches := s.fsck()
	s.startAll()

	l := newLoad(s, seed)
	enough, submitted := make(chan struct{}), make(chan error, 1)
	begin := time.Now()
	go func() { submitted <- l.run(t.Context(), enough) }()
	d := &driver{site: s, behind: follower.seen}
	d.drive(t.Context(), plan(seed, opts))
	mended := time.Now()
	close(enough)
	if err := <-submitted; err != nil {
		t.Errorf("the client: %v", err)
	}
	out := &outcome{Seed: seed, Faults: d.done, Seconds: time.Since(begin).Seconds()}
	out.BrakeByTest = s.settle()
	out.SettledSeconds = time.Since(mended).Seconds()
	out.Violations = append(out.Violations, s.leaksAtLast()...)
	s.catchUp(follower)
	stopCheck()
	stopArchive()
	out.Fsck = watches(out)
	out.count(t, s, l, follower)
	t.Logf("\n%s", out.table())
	if *output != "" {
		if err := out.write(*output); err != nil {
			t.Error(err)
		}
	}
	for _, line := range out.EndedAlone {
		t.Log(line)
	}
	for i, v := range out.Violations {
		if t.Errorf("%s", v); i == 50 {
			t.Fatalf("and %d more", len(out.Violations)-i)
		}
	}
}

// fsck runs `berth fsck --watch` at each member; what it returns ends them, and
// returns the last line of each.
func (s *site) fsck() (end func(*outcome) []string) {
	var all []*exec.Cmd
	for i := range members {
		command := append([]string{"fsck", "--watch"}, s.etcdFlags(s.etcd.Endpoint(i))...)
		cmd := exec.CommandContext(context.Background(), s.berth, command...)
		file, err := os.Create(s.log("fsck" + strconv.Itoa(i)))
		if err != nil {
			s.t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = file, file
		if err := s.network.Start(cmd); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() {
			_ = cmd.Process.Kill() // it may have ended
			_ = file.Close()       // the process had its own
		})
		all = append(all, cmd)
	}
	return func(out *outcome) (last []string) {
		for i, cmd := range all {
			_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended
			if err := cmd.Wait(); err != nil {
				out.Violations = append(out.Violations, fmt.Sprintf("fsck --watch at member %d: %v: %s", i, err, tail(s.log("fsck"+strconv.Itoa(i)), 10)))
			}
			last = append(last, tail(s.log("fsck"+strconv.Itoa(i)), 1))
		}
		return last
	}
}

// settle waits until everything that was accepted has ended. A brake releases when
// the workers are back; one that is engaged after half of the time is released by
// the operator that this test is then, and that is told.
func (s *site) settle() (released bool) {
	s.t.Helper()
	var left int64
	begin := time.Now()
	for ; time.Since(begin) < settleWithin; <-time.After(100 * time.Millisecond) {
		if !released && time.Since(begin) > settleWithin/2 {
			released = s.releaseBrake()
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		resp, err := s.store.Get(ctx, prefix+"requests/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		cancel()
		if err != nil {
			continue
		}
		if left = resp.Count; left == 0 {
			return released
		}
	}
	s.t.Errorf("%d requests do not end:\n%s", left, s.unended())
	return released
}

// unended tells of some that do not end.
func (s *site) unended() string {
	var text string
	for _, kind := range []string{"requests/", "states/", "allocations/"} {
		resp, err := s.store.Get(s.t.Context(), prefix+kind, clientv3.WithPrefix(), clientv3.WithLimit(3))
		if err != nil {
			return text + err.Error()
		}
		for _, kv := range resp.Kvs {
			text += fmt.Sprintf("%s %s\n", kv.Key, kv.Value)
		}
	}
	return text
}

// leaksAtLast gives the daemons, whose watches may be behind, time to see the end.
func (s *site) leaksAtLast() (out []string) {
	for end := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
		if out = s.leaks(); len(out) == 0 || time.Now().After(end) {
			return out
		}
	}
}

// leaks tells what is left in the store, and in any daemon's view of the workers.
func (s *site) leaks() (out []string) {
	for _, kind := range []string{"requests/", "states/", "allocations/", "groups/"} {
		resp, err := s.store.Get(s.t.Context(), prefix+kind, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil || resp.Count > 0 {
			out = append(out, fmt.Sprintf("%d of %s left: %v", resp.Count, kind, err))
		}
	}
	for i := range s.daemons {
		all, err := s.client(i).Workers(s.t.Context())
		if err != nil || len(all) < len(s.agents) {
			out = append(out, fmt.Sprintf("daemon %d: %d workers: %v", i, len(all), err))
		}
		for _, w := range all {
			if r := w.GetReserved(); w.GetCount() != 0 || r.GetCpuMilli() != 0 || r.GetMemoryBytes() != 0 {
				out = append(out, fmt.Sprintf("daemon %d: worker %s: capacity leaks: %v", i, w.GetId(), w))
			}
		}
	}
	return out
}

// catchUp waits until the follower has seen what there is now.
func (s *site) catchUp(f *follower) {
	s.t.Helper()
	resp, err := s.store.Get(s.t.Context(), prefix+"archive/", append(clientv3.WithLastRev(), clientv3.WithPrefix())...)
	if err != nil || len(resp.Kvs) == 0 {
		s.t.Fatalf("the last of the archive: %v", err)
	}
	want := resp.Kvs[0].ModRevision
	for end := time.Now().Add(time.Minute); f.seen() < want; <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the follower is at %d, not %d", f.seen(), want)
		}
	}
}

// count compares the accounts.
func (o *outcome) count(t *testing.T, s *site, l *load, f *follower) {
	t.Helper()
	record, errRecord := l.record()
	groups, errGroups := l.groupRecord()
	runs, errTrace := readTrace(filepath.Join(s.dir, "trace"))
	if err := errors.Join(errRecord, errGroups, errTrace); err != nil {
		t.Fatal(err)
	}
	ended := f.ended()
	o.Accepted, o.Groups, o.Started = len(record), len(groups), len(runs)
	o.Ended, o.Attempts = map[string]int{}, map[string]int{}
	o.Later, o.Unanswered, o.SlowestSubmit, o.SlowestTries = l.refused.Load(), l.failed.Load(), l.slowest.Seconds(), l.tries
	o.Revisions, o.RevisionsUnseen = f.revisions, f.unseen
	o.LivesPerSecond = float64(len(ended)) / (o.Seconds + o.SettledSeconds)
	o.overlap()
	o.BrakesEngaged, o.BrakesReleased = s.brakes()
	for _, r := range runs {
		if r.end == 0 {
			o.Killed++
		}
	}
	for _, a := range ended {
		o.Ended[a.State]++
		o.Attempts[strconv.FormatInt(a.Attempt, 10)]++
	}
	for _, k := range slices.Concat(s.daemons, s.agents) {
		o.EndedAlone = append(o.EndedAlone, k.endsAlone()...)
	}
	for _, a := range record {
		if a.Cancel {
			o.Cancelled++
		}
	}
	alone, members := partGroups(ended)
	o.Violations = slices.Concat(
		o.Violations, f.problems, overlaps(runs), disagreements(record, alone, runs), groupDisagreements(groups, members, runs),
	)
}
