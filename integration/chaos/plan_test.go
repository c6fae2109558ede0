package chaos_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// kind is a kind of fault.
type kind string

const (
	memberKilled  kind = "member killed"
	memberStopped kind = "member stopped"
	memberCut     kind = "member cut off"
	memberHalfCut kind = "member cut off one way"
	daemonKilled  kind = "daemon killed"
	daemonStopped kind = "daemon stopped"
	daemonCut     kind = "daemon cut off"
	agentKilled   kind = "agent killed"
	agentStopped  kind = "agent stopped"
	agentEnded    kind = "agent ended by SIGTERM"
	hostKilled    kind = "worker host killed"
	hostCut       kind = "worker host cut off"
	leaderMoved   kind = "leader moved"
	compacted     kind = "history compacted"
	defragmented  kind = "member defragmented"
	alarmed       kind = "NOSPACE alarm"
	allRestarted  kind = "cluster restarted"
)

// target is what a fault strikes.
type target string

const (
	oneMember target = "member"
	oneDaemon target = "daemon"
	oneAgent  target = "agent"
	oneHost   target = "host"
	theStore  target = "store"
)

// kinds are all faults, with what they strike and how long they last at most:
// beyond a lease and its grace, where what holds a lease is struck.
var kinds = []struct {
	kind kind
	of   target
	most time.Duration
}{
	{memberKilled, oneMember, 12 * time.Second},
	{memberStopped, oneMember, 16 * time.Second},
	{memberCut, oneMember, 16 * time.Second},
	{memberHalfCut, oneMember, 16 * time.Second},
	{daemonKilled, oneDaemon, 15 * time.Second},
	{daemonStopped, oneDaemon, 40 * time.Second},
	{daemonCut, oneDaemon, 40 * time.Second},
	{agentKilled, oneAgent, 40 * time.Second},
	{agentStopped, oneAgent, 40 * time.Second},
	{agentEnded, oneAgent, 10 * time.Second},
	{hostKilled, oneHost, 45 * time.Second},
	{hostCut, oneHost, 45 * time.Second},
	{leaderMoved, theStore, 0},
	{compacted, theStore, 0},
	{defragmented, oneMember, 0},
	{alarmed, theStore, 10 * time.Second},
	{allRestarted, theStore, 3 * time.Second},
}

// fault is one that is to be, or was.
type fault struct {
	Kind   kind          `json:"kind"`
	Target int           `json:"target"`
	At     time.Duration `json:"at_ns"`    // from the run's begin
	For    time.Duration `json:"for_ns"`   // until it is mended
	Way    int           `json:"way"`      // of cutting off
	Began  time.Duration `json:"began_ns"` // when it came about, and
	Ended  time.Duration `json:"ended_ns"` // when it was mended
	Error  string        `json:"error,omitempty"`
}

// plan is what a seed means: rounds that hold each kind once, in any order.
func plan(seed uint64, o options) []fault {
	random := rand.New(rand.NewPCG(seed, 1))
	var out []fault
	for at := o.every; ; {
		for _, i := range random.Perm(len(kinds)) {
			k := kinds[i]
			most := time.Duration(float64(k.most) * o.scale)
			f := fault{Kind: k.kind, At: at, Target: random.IntN(o.count(k.of)), Way: random.IntN(3)}
			f.For = most/10 + time.Duration(random.Int64N(int64(most)*9/10+1))
			if at += o.every; f.At > o.span {
				return out
			}
			out = append(out, f)
		}
	}
}

// A run of 20 minutes has each kind ten times, 290 faults, and more than two of
// them at once, were none to wait for its target.
func TestPlan(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		all := plan(seed, whole(20*time.Minute))
		n := map[kind]int{}
		var sum time.Duration
		for _, f := range all {
			n[f.Kind]++
			sum += f.For
		}
		for _, k := range kinds {
			if n[k.kind] < 10 {
				t.Errorf("seed %d: %s: %d times", seed, k.kind, n[k.kind])
			}
		}
		if atOnce := float64(sum) / float64(20*time.Minute); len(all) < 290 || atOnce < 2.4 {
			t.Errorf("seed %d: %d faults, %.1f at once", seed, len(all), atOnce)
		}
	}
}
