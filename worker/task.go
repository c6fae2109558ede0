package worker

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/berthd/berth"
)

// task is all that the agent knows of one allocation, and has done about it.
type task struct {
	id         berth.RequestID
	attempt    int64
	former     *task             // the attempt before it, if this epoch had it
	mod        berth.Revision    // the newest fact seen
	allocation *berth.Allocation // nil: it is gone
	phase      phase
	submission *berth.Submission // known from the fence on
	container  Container         // running only
	startedAt  time.Time
	stopIn     time.Duration // the request's stop_timeout; from the fence on
	keep       time.Duration // the request's on_disconnect_keep; from the fence on
	stopping   bool
	exit       *berth.Exit // ended only
	dismissed  string      // stopped for the agent's or the lease's sake, with the reason; it is to run elsewhere
	reporting  bool        // a report of it is in flight
}

func (t *task) key() taskKey { return taskKey{t.id, t.attempt} }

// lives says whether a container of the attempt may be there.
func (t *task) lives() bool {
	return t != nil && (t.phase == phaseStarting || t.phase == phaseRunning)
}

// learn takes a fact in, unless it is older than what is known.
func (t *task) learn(mod berth.Revision, a *berth.Allocation) {
	if mod > t.mod {
		t.mod, t.allocation = mod, a
	}
}

func (t *task) situation(epoch berth.Epoch, closed bool) situation {
	s := situation{Phase: t.phase, Stopping: t.stopping, Closed: closed}
	if t.allocation != nil {
		s.State = t.allocation.State
		s.Own = t.allocation.Epoch == epoch
		s.Ordered = t.allocation.Stop != nil
	}
	return s
}

// end notes how it ended. What a former agent has dismissed is dismissed.
func (t *task) end(exit berth.Exit, dismissed string) {
	t.phase, t.container, t.exit = phaseEnded, nil, &exit
	if t.dismissed == "" {
		t.dismissed = dismissed
	}
}

// fenced is the allocation's next value behind the fence.
func (t *task) fenced() berth.Allocation {
	next := *t.allocation
	next.State = berth.StateStarting
	return next
}

// report is the allocation's next value: how far its container has come by now.
// One that ended before its start was reported has only its end reported. One
// that was stopped because the agent is to end was drained: its own exit says
// nothing about the request, which is to run elsewhere.
func (t *task) report() berth.Allocation {
	next := *t.allocation
	next.State, next.StartedAt = berth.StateRunning, t.startedAt
	if next.Stop != nil { // a daemon of before its message was bounded: the record must have room for the exit
		stop := *next.Stop
		stop.Message = clip(stop.Message)
		next.Stop = &stop
	}
	if t.phase == phaseEnded {
		next.State, next.Exit = berth.StateExited, t.exit
	}
	if t.phase == phaseEnded && t.dismissed != "" && next.Stop == nil {
		next.Stop = &berth.StopOrder{Reason: berth.StopDrain, Deadline: t.exit.At, Message: t.dismissed}
	}
	return next
}

// spec is what the runtime starts, apart from its deadline.
func (t *task) spec(o *Options) Spec {
	r := &t.submission.Spec
	return Spec{
		Request: t.id, Attempt: t.allocation.Attempt, Worker: o.ID, Epoch: t.allocation.Epoch,
		Command: r.Command, Env: t.env(o), Dir: r.Dir, User: r.User, Image: r.Image,
		CPUMilli: t.allocation.Share.CPUMilli, MemoryBytes: t.allocation.Share.MemoryBytes,
		StopTimeout: t.stopIn, Keep: t.keep,
	}
}

// handedOut takes the work that the fence has handed out.
func (t *task) handedOut(s *berth.Submission) {
	t.phase, t.submission = phaseFenced, s
	t.stopIn = time.Duration(s.Spec.StopTimeoutMS) * time.Millisecond
	t.keep = time.Duration(t.allocation.KeepMS) * time.Millisecond
}

// Variables of a container's environment that say what it is.
const (
	VariableRequest = "BERTH_REQUEST_ID"
	VariableAttempt = "BERTH_ATTEMPT"
	VariableWorker  = "BERTH_WORKER"
	VariableDevices = "BERTH_DEVICES"
)

// env is the request's environment and what the placement settled, which wins.
func (t *task) env(o *Options) map[string]string {
	r, share := &t.submission.Spec, t.allocation.Share
	env := maps.Clone(r.Env)
	if env == nil {
		env = map[string]string{}
	}
	env[VariableRequest] = string(t.id)
	env[VariableAttempt] = strconv.FormatInt(t.allocation.Attempt, 10)
	env[VariableWorker] = string(o.ID)
	for i, p := range r.Resources.Ports {
		if i < len(share.Ports) {
			env[p.Variable()] = strconv.Itoa(int(share.Ports[i]))
		}
	}
	if len(share.Devices) > 0 {
		env[VariableDevices] = deviceList(share.Devices)
	}
	showDevices(env, share.Devices, o.DeviceUUIDs)
	return env
}

// deviceList is "gpu0,gpu1:500": whole ones by name, shares in thousandths.
func deviceList(shares []berth.DeviceShare) string {
	parts := make([]string, 0, len(shares))
	for _, d := range shares {
		if d.Milli == berth.WholeDevice {
			parts = append(parts, d.Name)
			continue
		}
		parts = append(parts, fmt.Sprintf("%s:%d", d.Name, d.Milli))
	}
	return strings.Join(parts, ",")
}
