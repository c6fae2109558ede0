package sim

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/berthd/berth"
)

// Job is a request of a trace with times.
type Job struct {
	Pod
	ArrivalMS  int64
	RunMS      int64 // 0: to the end
	LimitMS    int64 // its run limit, which who places it knows; 0: it has none
	PatienceMS int64 // waited so long, it leaves; 0: it never does
	Priority   int64
	Preempts   bool  // those of lower priority make room for it, where it fits nowhere
	GraceMS    int64 // so long it goes on when it is told to make room for a group
	Tenant     string
	Group      *Group // it stands for so many that are placed together; nil: for itself
	In         Site   // it goes to machines with that label; none: to any
}

// maxTraceMS bounds times: ten years.
const maxTraceMS = 10 * berth.MaxDurationMS

// ReadNodes reads machines: name, cpu_milli, memory_mib, gpus, gpu_type, and labels and link where
// there are such columns.
func ReadNodes(r io.Reader) ([]Machine, error) {
	needed := []string{"name", "cpu_milli", "memory_mib", "gpus", "gpu_type"}
	t, err := newTable(r, maxMachines, needed...)
	if err != nil {
		return nil, err
	}
	if err := t.only(append(needed, "labels", "link")...); err != nil {
		return nil, err
	}
	return t.machines("name", "gpus", "gpu_type", "labels", "link")
}

// ReadTrace reads jobs: arrival_ms, run_ms, cpu_milli, memory_mib, gpus, gpu_milli, and
// gpu_types, tenant, priority, preemption, grace_ms, patience_ms, run_limit_ms, name and those of groups
// where there are such columns. They come back in the order in which they arrive.
func ReadTrace(r io.Reader) ([]Job, error) {
	needed := []string{"arrival_ms", "run_ms", "cpu_milli", "memory_mib", "gpus", "gpu_milli"}
	t, err := newTable(r, maxPods, needed...)
	if err != nil {
		return nil, err
	}
	err = t.only(append(needed, "gpu_types", "tenant", "priority", "preemption", "patience_ms", "run_limit_ms", "grace_ms", "name",
		"group", "group_size", "group_min_count", "group_topology", "group_linked")...)
	if err != nil {
		return nil, err
	}
	var out []Job
	groups := groupRows{lines: make(map[string]int)}
	for {
		more, err := t.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		j, err := t.job()
		if err != nil {
			return nil, err
		}
		if err := groups.add(t, &j); err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	if len(out) == 0 {
		return nil, &LineError{2, errors.New("there is no job below the header")}
	}
	slices.SortStableFunc(out, func(a, b Job) int { return cmp.Compare(a.ArrivalMS, b.ArrivalMS) })
	return out, nil
}

func (t *table) job() (j Job, err error) {
	if j.Pod, err = t.pod("gpus", "gpu_types"); err != nil {
		return j, err
	}
	err = t.numbers([]string{"arrival_ms", "patience_ms", "priority", "grace_ms"}, []int64{maxTraceMS, maxTraceMS, berth.MaxPriority, berth.MaxStopMS},
		[]*int64{&j.ArrivalMS, &j.PatienceMS, &j.Priority, &j.GraceMS})
	if err != nil {
		return j, err
	}
	if j.RunMS, err = t.number("run_ms", 1, maxTraceMS); err != nil {
		return j, err
	}
	if j.LimitMS, err = t.limit(j.RunMS); err != nil {
		return j, err
	}
	if j.Preempts, err = t.preempts(); err != nil {
		return j, err
	}
	if j.Group, err = t.group(&j); err != nil {
		return j, err
	}
	if j.Tenant = string(berth.DefaultTenant); t.text("tenant") != "" {
		j.Tenant, err = t.word("tenant")
	}
	return j, err
}

// limit is a job's run limit: no job of a trace runs for longer than it says of itself.
func (t *table) limit(runs int64) (int64, error) {
	if text := t.text("run_limit_ms"); text == "" || text == "0" {
		return 0, nil
	}
	if runs > berth.MaxDurationMS {
		return 0, t.wrong("run_limit_ms", "is not allowed with a longer run_ms", fmt.Sprintf("0, or a run_ms of at most %d", berth.MaxDurationMS))
	}
	return t.number("run_limit_ms", runs, berth.MaxDurationMS)
}

// preempts says whether a job's preemption is lower.
func (t *table) preempts() (bool, error) {
	var p berth.Preemption
	if word := t.text("preemption"); word != "" && p.UnmarshalText([]byte(word)) != nil {
		return false, t.wrong("preemption", "is unknown", fmt.Sprintf("%s, %s", berth.PreemptionNever, berth.PreemptionLower))
	}
	return p == berth.PreemptionLower, nil
}
