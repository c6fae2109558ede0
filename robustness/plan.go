package robustness

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/berthd/berth"
)

// Plan is all that a seed has chosen before a run begins. A run of the same plan
// is the same; with fewer faults it is another, which is how a failing one is
// shortened.
type Plan struct {
	Seed        uint64
	Daemons     []string
	Workers     []string
	TTL         time.Duration
	Retention   time.Duration
	FaultsUntil time.Duration // of simulated time
	Jobs        []Job
	Wishes      []Wish
	Limits      []Limit // by moment
	Settings    []Setting
	Faults      []Fault
}

// Job is one request, and what its submitter does about it.
type Job struct {
	Request berth.Request
	At      time.Duration
	Cancel  time.Duration // after it was acknowledged; 0: never
	One     bool          // of a group, a member alone is cancelled
	Fits    bool
}

// Wish is what an operator wants of a worker for a while.
type Wish struct {
	At, Lasts time.Duration
	Worker    string
	Drain     bool
	Parallel  int64
	PerMinute int64
}

// Bounds of a plan.
const (
	minJobs     = 300
	minGroups   = 12
	faultsUntil = 10 * time.Minute
)

// Draw is the plan of a seed.
func Draw(seed uint64) *Plan {
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // repeatable, not secret
	p := &Plan{Seed: seed, FaultsUntil: faultsUntil, TTL: []time.Duration{5, 10, 10, 20}[rng.IntN(4)] * time.Second}
	p.Retention = 24 * time.Hour
	if rng.IntN(2) == 0 {
		p.Retention = 2 * time.Minute
	}
	for i := range 2 + rng.IntN(2) {
		p.Daemons = append(p.Daemons, fmt.Sprintf("d%d", i+1))
	}
	for i := range 5 + rng.IntN(3) {
		p.Workers = append(p.Workers, fmt.Sprintf("w%d", i+1))
	}
	for i := range minJobs + rng.IntN(40) {
		p.Jobs = append(p.Jobs, drawJob(rng, i, p))
	}
	for i := range minGroups + rng.IntN(8) {
		p.Jobs = append(p.Jobs, drawGroup(rng, i, p))
	}
	for range 3 + rng.IntN(3) {
		w := Wish{At: moment(rng, p), Lasts: between(rng, 5*time.Second, 60*time.Second), Worker: p.Workers[rng.IntN(len(p.Workers))], Drain: rng.IntN(3) > 0}
		if w.Drain && rng.IntN(2) == 0 {
			w.Parallel, w.PerMinute = int64(1+rng.IntN(3)), int64(rng.IntN(2)*30)
		}
		p.Wishes = append(p.Wishes, w)
	}
	p.Faults = append(drawFaults(rng, p), drawPair(rng, p)...)
	drawReturn(rng, p)
	crowds := len(p.Jobs)
	for range 2 {
		drawCrowd(rng, p)
	}
	drawPressing(p, crowds)
	drawQuotas(p)
	drawDevices(p)
	drawImages(p)
	drawLinks(p)
	drawRelations(p)
	drawSettings(p)
	return p
}

func moment(rng *rand.Rand, p *Plan) time.Duration {
	return between(rng, 5*time.Second, p.FaultsUntil-90*time.Second)
}

func between(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(to-from)))
}

// drawJob draws a request; bursts of up to eight come at one moment.
func drawJob(rng *rand.Rand, i int, p *Plan) Job {
	j := Job{At: moment(rng, p), Fits: true}
	if n := len(p.Jobs); n > 0 && rng.IntN(3) > 0 {
		j.At = p.Jobs[n-1].At
	}
	run := between(rng, 20*time.Millisecond, 15*time.Second)
	if rng.IntN(10) == 0 {
		run = between(rng, 30*time.Second, 90*time.Second) // longer than TTL and grace
	}
	env := map[string]string{envRun: ms(run), envObeys: ms(time.Duration(rng.IntN(3000)) * time.Millisecond)}
	switch rng.IntN(12) {
	case 0:
		env[envObeys] = "-1"
	case 1:
		env[envStart] = "fails"
	case 2:
		env[envStart] = "refused"
	}
	r := &j.Request
	*r = berth.Request{
		ID: berth.RequestID(fmt.Sprintf("r%03d", i)), Command: []string{"sim"}, Env: env, Priority: int32(rng.IntN(3)) * 10,
		AffinityKey:   []string{"", "warm-1", "", "warm-2", ""}[i%5], // by its number, as retry.on below
		Retry:         berth.RetryPolicy{MaxAttempts: int64(1 + rng.IntN(4)), OnFailure: rng.IntN(2) == 0, BackoffMS: int64(50 + rng.IntN(2000))},
		StopTimeoutMS: int64(500 + rng.IntN(5000)), StartTimeoutMS: int64(5000 + rng.IntN(5000)),
	}
	r.Resources.CPUMilli = int64(100 + rng.IntN(1500))
	r.Resources.MemoryBytes = int64(64+rng.IntN(512)) << 20
	if rng.IntN(4) == 0 {
		env[envCode] = strconv.Itoa(1 + rng.IntN(100))
	}
	switch i % 8 { // by its number: each draw more would make other plans of all seeds
	case 2:
		r.Retry.On = []berth.RetryEnd{berth.RetryLost}
	case 5:
		r.Retry.On = []berth.RetryEnd{berth.RetryFailure, berth.RetryStartFailed}
	}
	for time.Duration(r.Retry.MaxAttempts)*run > ownTime {
		r.Retry.MaxAttempts--
	}
	drawLimits(rng, &j, run)
	return j
}

// ownTime is what a request may run in all, if each of its attempts fails: with others
// before it, and the waits between attempts, of up to a minute each, it has to end within settleWithin.
const ownTime = settleWithin / 3

// drawReturn has all daemons killed at once, and requests come when they return: so
// some are placed while a daemon that nobody stands in for is still loading.
func drawReturn(rng *rand.Rand, p *Plan) {
	f := Fault{Kind: FaultDaemons, At: between(rng, 2*time.Minute, p.FaultsUntil-2*time.Minute), Lasts: between(rng, 500*time.Millisecond, 25*time.Second)}
	p.Faults = append(p.Faults, f)
	for range 8 {
		j := drawJob(rng, len(p.Jobs), p)
		j.At = f.At + f.Lasts + between(rng, time.Millisecond, 40*time.Millisecond)
		p.Jobs = append(p.Jobs, j)
	}
}

// drawCrowd fills the workers with what matters little and takes long, some of it in a
// group, and has what matters more come behind it, for which the others make room.
func drawCrowd(rng *rand.Rand, p *Plan) {
	at := moment(rng, p)
	more := func(j Job, after time.Duration) {
		j.At, j.Cancel = at+after, 0
		p.Jobs = append(p.Jobs, j)
	}
	for range 4 * len(p.Workers) {
		j := drawJob(rng, len(p.Jobs), p)
		r := &j.Request
		r.Priority, r.Resources.CPUMilli, r.RunLimitMS = int32(rng.IntN(2)), int64(700+rng.IntN(600)), 0
		r.Env[envRun] = ms(between(rng, 15*time.Second, 60*time.Second))
		j.Fits = true
		if rng.IntN(8) == 0 {
			r.ID, r.Group = "c"+r.ID, &berth.Membership{Size: 2, MinCount: int64(1 + rng.IntN(2))}
			r.Resources.Ports = nil
			if r.Env[envStart] == "refused" { // see drawGroup
				delete(r.Env, envStart)
			}
		}
		more(j, 0)
	}
	for range 2 + rng.IntN(5) {
		j := drawJob(rng, len(p.Jobs), p)
		r := &j.Request
		r.Priority, r.Preemption = int32(50+rng.IntN(3)*10), berth.PreemptionLower
		if j.Fits {
			r.Resources.CPUMilli = int64(500 + rng.IntN(3000))
		}
		cancel := j.Cancel
		more(j, between(rng, time.Second, 12*time.Second))
		p.Jobs[len(p.Jobs)-1].Cancel = cancel
	}
}

// drawGroup draws a group, whose members are as other requests are, but smaller: what
// waits for many places at once has to find them.
func drawGroup(rng *rand.Rand, i int, p *Plan) Job {
	j := drawJob(rng, i, p)
	j.At = moment(rng, p)
	r := &j.Request
	r.ID = berth.RequestID(fmt.Sprintf("g%03d", i))
	r.Resources.Ports = nil
	size := int64(2 + rng.IntN(5))
	r.Group = &berth.Membership{Size: size, MinCount: 1 + rng.Int64N(size)}
	if j.Fits {
		r.Resources.CPUMilli = min(r.Resources.CPUMilli, 700)
	}
	if rng.IntN(3) == 0 {
		r.Group.Topology = "zone"
	}
	if r.Env[envStart] == "refused" { // by every worker, and of each member in turn: the last of its attempts is far away
		delete(r.Env, envStart)
	}
	j.One = rng.IntN(2) == 0 && j.Cancel > 0 && j.Fits
	return j
}

func drawLimits(rng *rand.Rand, j *Job, run time.Duration) {
	r := &j.Request
	if rng.IntN(8) == 0 {
		r.RunLimitMS = max(1, (run / 2).Milliseconds())
	}
	if rng.IntN(6) == 0 {
		r.KeepMS = int64(1000 + rng.IntN(30_000))
	}
	if rng.IntN(8) == 0 {
		r.Resources.Ports = []berth.PortDemand{{Name: "http"}}
	}
	if rng.IntN(10) == 0 {
		r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{"a"}}}
	}
	if rng.IntN(25) == 0 {
		r.Resources.CPUMilli, j.Fits = 1_000_000, false
	}
	if rng.IntN(15) == 0 {
		r.PendingLimitMS = int64(2000 + rng.IntN(60_000))
	}
	if rng.IntN(8) == 0 {
		j.Cancel = 1 + time.Duration(rng.Int64N(int64(20*time.Second)))
	}
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (p *Plan) capacity(worker string) berth.Capacity {
	return berth.Capacity{
		Quantities: berth.Quantities{CPUMilli: 4000, MemoryBytes: 4 << 30, DiskBytes: 10 << 30},
		Ports:      berth.PortRange{First: 20000, Last: 20007},
		Devices:    p.devices(worker),
	}
}

func (p *Plan) labels(worker string) map[string]string {
	zone := "b"
	if worker == p.Workers[0] || worker == p.Workers[1] {
		zone = "a"
	}
	return map[string]string{"zone": zone}
}
