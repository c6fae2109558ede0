package robustness

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/robustness/memetcd"
)

// Result is what a run has shown.
type Result struct {
	Seed       uint64
	Hash       uint64 // of the store's history
	Violations []Violation
	Simulated  time.Duration
	Tally      Tally
	History    []string // of the violation, if it was asked for
	All        []string // the whole history, if it was asked for; without what actors log
}

// Tally counts what a run did.
type Tally struct {
	Steps, Calls, Revisions  int64
	Replays                  int64 // placements that were decided again, with the same answer
	Unreplayed               int64 // for which not enough is kept
	Chosen, Unchosen         int64 // placements of which who made room for them was chosen again, the same; and for which not enough is kept
	Starts, Acked, Cancelled int64
	Claims, Preempted        int64 // requests that others were to make room for, and attempts that ended for that
	Rooms                    int64 // times that others were told to make room for a group
	Reclaimed                int64 // attempts that ended for what their tenant had borrowed
	Early                    int64 // acknowledged as placed, by a daemon that was still loading
	Limits                   int64 // quotas set
	Settings                 int64 // of the pool
	Faults                   map[FaultKind]int64
	Hits                     map[FaultKind]map[string]int64 // by kind of call
	Ends                     map[string]int64               // why actors ended by themselves
}

func newTally() Tally {
	return Tally{Faults: map[FaultKind]int64{}, Hits: map[FaultKind]map[string]int64{}, Ends: map[string]int64{}}
}

func (t *Tally) hit(kind FaultKind, calls []string) {
	if t.Hits[kind] == nil {
		t.Hits[kind] = map[string]int64{}
	}
	for _, c := range calls {
		t.Hits[kind][c]++
	}
}

// victims counts whether those who made room for a placement could be chosen again.
func (t *Tally) victims(v *daemon.ReplayedVictims) {
	switch {
	case v == nil:
	case v.Outcome == daemon.ReplaySame:
		t.Chosen++
	default:
		t.Unchosen++
	}
}

// add sums up.
func (t *Tally) add(o Tally) {
	t.Steps += o.Steps
	t.Calls += o.Calls
	t.Revisions += o.Revisions
	t.Replays += o.Replays
	t.Unreplayed += o.Unreplayed
	t.Chosen += o.Chosen
	t.Unchosen += o.Unchosen
	t.Starts += o.Starts
	t.Acked += o.Acked
	t.Cancelled += o.Cancelled
	t.Early += o.Early
	t.Claims += o.Claims
	t.Preempted += o.Preempted
	t.Rooms += o.Rooms
	t.Reclaimed += o.Reclaimed
	t.Limits += o.Limits
	t.Settings += o.Settings
	for k, n := range o.Faults {
		t.Faults[k] += n
	}
	for k, row := range o.Hits {
		if t.Hits[k] == nil {
			t.Hits[k] = map[string]int64{}
		}
		for c, n := range row {
			t.Hits[k][c] += n
		}
	}
	for k, n := range o.Ends {
		t.Ends[k] += n
	}
}

// settleWithin bounds how long, after the last fault, everything may take to end.
const settleWithin = 15 * time.Minute

// Run runs a plan within a bubble of testing/synctest.
func Run(p *Plan, traced bool) Result {
	w := worldOf(p)
	if traced {
		w.trace = &trace{}
	}
	w.setUp()
	w.run(func() bool { return w.now() >= p.FaultsUntil })
	if !w.check.violated() {
		w.quiet()
	}
	simulated := w.now()
	w.tearDown()
	w.tally.Steps = w.steps
	r := Result{Seed: p.Seed, Hash: w.check.hash.Sum64(), Violations: w.check.found, Simulated: simulated, Tally: w.tally}
	if traced {
		r.All = w.trace.all()
	}
	if traced && len(r.Violations) > 0 {
		r.History = w.trace.about(r.Violations[0])
	}
	return r
}

// worldOf is the world of a plan before anything has happened.
func worldOf(p *Plan) *world {
	w := &world{
		plan: p, rng: rand.New(rand.NewPCG(p.Seed, 2)), began: time.Now(), //nolint:gosec // repeatable, not secret
		bell: make(chan struct{}, 1), tally: newTally(), machines: map[string]*machine{},
		store: memetcd.New(memetcd.Config{ClusterID: 7, MemberID: 1, FirstLeaseID: 0x1000}),
		net:   network{cut: map[string]int{}, muted: map[string]int{}, held: map[string]int{}, behind: map[string]int64{}, armed: map[string][]*trap{}},
	}
	w.check = newChecker(w)
	w.client = newClient(w)
	return w
}

func (w *world) setUp() {
	for _, name := range slices.Concat(w.plan.Daemons, w.plan.Workers) {
		m := newMachine(w, name)
		w.machines[name] = m
		a := &actor{w: w, name: name, on: m, agent: slices.Contains(w.plan.Workers, name)}
		w.actors = append(w.actors, a)
		a.restartIn(time.Duration(w.rng.Int64N(int64(2 * time.Second))))
	}
	w.keepTime()
	w.at(3*time.Second, nil, w.client.begin)
	for _, f := range w.plan.Faults {
		w.at(f.At, nil, func() { w.begin(f) })
	}
}

// quiet ends the faults and waits until everything has come to its end.
func (w *world) quiet() {
	w.stopped = true
	clear(w.net.armed)
	w.run(func() bool { return w.lasting == 0 })
	began := w.now()
	asked := false
	next := began
	settled := w.run(func() bool {
		if w.now() < next {
			return false
		}
		next = w.now() + time.Second
		if !asked && w.now() > began+90*time.Second {
			asked = true
			w.client.finish()
		}
		why, _ := w.check.settled()
		return why == "" || w.now() > began+settleWithin
	})
	if why, about := w.check.settled(); settled && why != "" {
		w.check.fail("progress", fmt.Sprintf("%s after the last fault: %s", settleWithin, why), about...)
	}
	for _, v := range w.check.state.Standing() {
		w.check.fail("store", v.String())
	}
}

// unwound is longer than any goroutine of a process that was killed goes on.
const unwound = 5 * time.Minute

// tearDown ends all processes, and lets their goroutines come to their end.
func (w *world) tearDown() {
	for _, a := range w.actors {
		if a.process != nil {
			a.process.kill()
		}
	}
	time.Sleep(unwound)
	synctest.Wait()
}

// trace is the history of a run, in words.
type trace struct{ lines []traceLine }

type traceLine struct {
	at   time.Duration
	who  string
	says string
}

// note adds to the history, where one is asked for.
func (w *world) note(who, says string) {
	if w.trace != nil {
		w.mu.Lock()
		w.trace.lines = append(w.trace.lines, traceLine{w.now(), who, says})
		w.mu.Unlock()
	}
}

// all is the history without what the actors log: the order of two that log at
// one moment is no event's.
func (t *trace) all() []string {
	out := make([]string, 0, len(t.lines))
	for _, l := range t.lines {
		if !strings.HasPrefix(l.says, logged) {
			out = append(out, fmt.Sprintf("%14s %-6s %s", l.at, l.who, l.says))
		}
	}
	return out
}

// arriving marks what an actor asks for.
const arriving = "arrives: "

// logged marks a line of the history as of an actor's log.
const logged = "says: "

// historyLines is how much of the history a violation tells.
const historyLines = 60

// about is the last of the history that concerns a violation.
func (t *trace) about(v Violation) []string {
	var out []string
	for _, l := range t.lines {
		if strings.HasPrefix(l.says, arriving) {
			continue // it is told again when it reaches the store
		}
		concerns := l.who == "fault" || len(v.About) == 0
		for _, id := range v.About {
			concerns = concerns || strings.Contains(l.says, "/"+id) || strings.Contains(l.says, " "+id) || strings.Contains(l.says, `"`+id)
		}
		if concerns {
			out = append(out, fmt.Sprintf("%12s %-6s %s", l.at.Round(time.Microsecond), l.who, l.says))
		}
	}
	return out[max(0, len(out)-historyLines):]
}

// core writes an actor's log into the history.
func (t *trace) core(w *world, name string) zapcore.Core {
	return &traceCore{w: w, name: name, encoder: zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "m"})}
}

type traceCore struct {
	w       *world
	name    string
	encoder zapcore.Encoder
	fields  []zapcore.Field
}

func (*traceCore) Enabled(l zapcore.Level) bool { return l >= zapcore.InfoLevel }

func (c *traceCore) With(fields []zapcore.Field) zapcore.Core {
	next := *c
	next.fields = append(slices.Clone(c.fields), fields...)
	return &next
}

func (c *traceCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c *traceCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	b, err := c.encoder.EncodeEntry(e, append(slices.Clone(c.fields), fields...))
	if err != nil {
		return err
	}
	c.w.note(c.name, logged+strings.TrimSpace(b.String()))
	return nil
}

func (*traceCore) Sync() error { return nil }
