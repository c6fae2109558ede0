package worker

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// OnStop is what happens to the containers when the agent is told to end.
type OnStop string

// The choices. Stop is the default.
const (
	OnStopStop  OnStop = "stop"  // they are ended, to run elsewhere
	OnStopDrain OnStop = "drain" // they end by themselves; nothing new is taken
	OnStopKeep  OnStop = "keep"  // they run on, for the next agent; it must come before the lease ends
)

// Defaults and bounds of Options.
const (
	DefaultTTL       = 10 * time.Second
	MinTTL           = 2 * time.Second
	MaxTTL           = 10 * time.Minute
	DefaultStarts    = 8
	maxStarts        = 1000
	DefaultKillBound = 2 * time.Second
)

// Options of a Worker. Zero fields mean the defaults.
type Options struct {
	ID       berth.WorkerID
	Pool     berth.PoolID // default berth.DefaultPool
	Labels   map[string]string
	Taints   []berth.Taint // sorted
	Spot     bool          // somebody else may take the machine away at any time
	WarmKeys []string      // that are always warm here; beside them those of what ran lately are
	// WarmImages are always here, where the Runtime takes images; beside them those of
	// what ran lately are.
	WarmImages []string
	Capacity   berth.Capacity
	// DeviceUUIDs are by what NVIDIA's software knows the devices of Capacity, by their
	// names; others have none. Only what runs here is told of them: no record holds them.
	DeviceUUIDs map[string]string
	// DiskFound says that nobody has set Capacity.DiskBytes: it is what was free.
	// That changes with every file, and is no changed setting to warn of.
	DiskFound bool
	StateDir  string // one agent works in it; no default
	Store     *etcdstore.Store
	Runtime   Runtime

	// TTL of the lease, in whole seconds.
	TTL time.Duration
	// StopLead is how long before the lease's deadline containers are asked to
	// end (default TTL/4), KillMargin how long before it they are killed (TTL/10,
	// at least 200 ms). A keepalive is sent every TTL/3: at 3/4 of the TTL two in
	// a row have had no answer, so a single lost one never costs a container;
	// then 15 % of the TTL are left to end well, and 10 % for the kill to happen.
	StopLead, KillMargin time.Duration
	// KillBound is promised to the daemons: so long after the lease's end,
	// nothing runs any more, even when the machine is slow to kill.
	KillBound time.Duration

	Address string // host:port of the log service, as others reach it
	OnStop  OnStop
	// Abort, closed by the caller, makes an orderly end shorter: a drain becomes
	// a stop, a stop becomes a kill.
	Abort <-chan struct{}
	// WaitForName waits for the end of another agent's lease on this name,
	// instead of failing with ErrNameTaken.
	WaitForName bool
	// OnRegistered is called after each registration.
	OnRegistered func(berth.Epoch)

	Starts  int // at once
	Version string
	Log     *zap.Logger
	Now     func() time.Time // the wall clock; default time.Now

	Clock       Clock                   // default CLOCK_BOOTTIME
	BootID      string                  // default the kernel's
	OpenRecords func() (Records, error) // default: the files of StateDir; none without one

	// Of hollow workers: one watch for many, no look at their own key, no start ever.
	follow followFunc
	hollow bool
	hang   bool
	gate   chan struct{} // so many register at once
}

func (o *Options) setDefaults() {
	setDefault(&o.Pool, berth.DefaultPool)
	setDefault(&o.TTL, DefaultTTL)
	setDefault(&o.StopLead, o.TTL/4)
	setDefault(&o.KillMargin, max(o.TTL/10, 200*time.Millisecond))
	setDefault(&o.KillBound, DefaultKillBound)
	setDefault(&o.OnStop, OnStopStop)
	setDefault(&o.Starts, DefaultStarts)
	setDefault(&o.Version, "unknown")
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Clock == nil {
		o.Clock = bootClock{}
	}
	setDefault(&o.BootID, bootID())
	if o.OpenRecords == nil {
		o.OpenRecords = o.openRecords
	}
	if o.gate == nil {
		o.gate = make(chan struct{}, 1)
	}
	if o.follow == nil && o.Store != nil {
		o.follow = o.Store.FollowWorker
	}
}

func (o *Options) openRecords() (Records, error) {
	if o.StateDir == "" {
		return &memoryRecords{id: newIdentity()}, nil
	}
	return openStateDir(o.StateDir)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Check says what is wrong with o, but for its Store and its Runtime: who has these only
// later can tell of the rest before.
func (o Options) Check() error {
	o.setDefaults()
	return o.check()
}

func (o *Options) validate() error {
	switch {
	case o.Store == nil:
		return fmt.Errorf("worker %s: Store is missing", o.ID)
	case o.Runtime == nil:
		return fmt.Errorf("worker %s: Runtime is missing", o.ID)
	case len(o.WarmImages) > 0 && !o.Runtime.TakesImages():
		return &berth.FieldError{Field: "warm_images", Value: o.WarmImages[0], Problem: "is of no use", Bound: "none, where the runtime takes no images"}
	}
	return o.check()
}

func (o *Options) check() error {
	if err := berth.CheckID("name", string(o.ID)); err != nil {
		return err
	}
	if err := berth.CheckID("pool", string(o.Pool)); err != nil {
		return err
	}
	if err := berth.ValidateWorkerLabels("labels", o.Labels); err != nil {
		return err
	}
	if err := berth.ValidateTaints("taints", o.Taints); err != nil {
		return err
	}
	if err := berth.ValidateWarmKeys("warm_keys", o.WarmKeys); err != nil {
		return err
	}
	if err := berth.ValidateWarmImages("warm_images", o.WarmImages); err != nil {
		return err
	}
	if err := o.Capacity.Validate(); err != nil {
		return fmt.Errorf("capacity: %w", err)
	}
	switch {
	case o.OnStop != OnStopStop && o.OnStop != OnStopDrain && o.OnStop != OnStopKeep:
		return &berth.FieldError{Field: "on-stop", Value: string(o.OnStop), Problem: "is unknown", Bound: "stop, drain, keep"}
	case o.Starts < 1 || o.Starts > maxStarts:
		return &berth.FieldError{Field: "Starts", Value: fmt.Sprint(o.Starts), Problem: "is not allowed", Bound: fmt.Sprintf("1 to %d", maxStarts)}
	}
	return o.validateTimes()
}

func (o *Options) validateTimes() error {
	if o.TTL < MinTTL || o.TTL > MaxTTL || o.TTL%time.Second != 0 {
		return &berth.FieldError{Field: "ttl", Value: o.TTL.String(), Problem: "is not allowed", Bound: fmt.Sprintf("whole seconds, %s to %s", MinTTL, MaxTTL)}
	}
	if o.KillMargin <= 0 || o.StopLead <= o.KillMargin || o.StopLead > o.TTL/2 {
		return &berth.FieldError{
			Field: "StopLead", Value: o.StopLead.String(), Problem: "is not allowed",
			Bound: fmt.Sprintf("above the KillMargin (%s), at most half of the TTL (%s)", o.KillMargin, o.TTL),
		}
	}
	if o.KillBound < 0 || o.KillBound > time.Minute {
		return &berth.FieldError{Field: "KillBound", Value: o.KillBound.String(), Problem: "is not allowed", Bound: "0 to 1m"}
	}
	return nil
}

// registration is what workers/<w> says of this worker under a lease.
func (o *Options) registration(stateID, lease string, ttl time.Duration) berth.Worker {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return berth.Worker{
		Pool: o.Pool, Address: o.Address, Capacity: o.Capacity, Labels: o.Labels, Taints: o.Taints, Spot: o.Spot,
		Lease: lease, TTLSeconds: int64(ttl / time.Second), KillMS: o.KillBound.Milliseconds(),
		Enforces: o.Runtime.Enforces(), Images: o.Runtime.TakesImages(), Hostname: host, BootID: o.BootID, StateID: stateID,
		Agent: o.Version, StartedAt: o.Now().UTC(),
	}
}
