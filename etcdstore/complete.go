package etcdstore

import (
	"fmt"

	"github.com/berthd/berth"
)

// complete refuses a record that lacks a word which decides what is done with
// it: JSON's library takes an absent field for an empty one. It refuses numbers, too,
// with which a scheduler would count wrongly: less than nothing that is asked for
// would be capacity for others.
func complete(record any) error {
	switch r := record.(type) {
	case *berth.Submission:
		if err := r.Spec.ValidateCounted(); err != nil {
			return fmt.Errorf("spec: %w", err)
		}
		return completeRequest(&r.Spec)
	case *berth.Worker:
		if err := r.Capacity.ValidateCounts(); err != nil {
			return fmt.Errorf("capacity: %w", err)
		}
		return completeTaints(r.Taints)
	case *berth.Intent:
		return completeTaints(r.Taints)
	case *berth.Progress:
		return present("state", r.State)
	case *berth.Allocation:
		if r.Stop != nil && r.Stop.Reason == "" {
			return present("stop.reason", r.Stop.Reason)
		}
		if err := completeExit(r.Exit); err != nil {
			return err
		}
		return present("state", r.State)
	case *berth.Archive:
		if err := present("state", r.State); err != nil {
			return err
		}
		if err := present("reason", r.Reason); err != nil {
			return err
		}
		if err := completeExit(r.Exit); err != nil {
			return err
		}
		return completeRequest(&r.Spec)
	case *berth.Group:
		return present("state", r.State)
	case *berth.Pool:
		return present("strategy", r.Strategy)
	case *berth.Brake:
		return present("state", r.State)
	}
	return nil
}

// ofKey refuses a record that says whose it is, under the key of another.
func ofKey(k berth.Key, record any) error {
	if r, ok := record.(*berth.Submission); ok && string(r.Spec.ID) != k.ID {
		return fmt.Errorf("%s record: field \"spec.id\" is %q, and its key says %q", k.Kind, berth.Clip(string(r.Spec.ID), berth.MaxIDLength), k.ID)
	}
	return nil
}

func completeRequest(r *berth.Request) error {
	if err := completeConstraints(r.Constraints); err != nil {
		return err
	}
	for _, list := range [2][]berth.Affinity{r.Affinity, r.AntiAffinity} {
		for _, a := range list {
			if err := completeConstraints(a.Workers); err != nil {
				return err
			}
		}
	}
	for _, t := range r.Tolerations {
		if err := present("spec.tolerations.operator", t.Operator); err != nil {
			return err
		}
	}
	return nil
}

func completeConstraints(constraints []berth.Constraint) error {
	for _, c := range constraints {
		if err := present("spec.constraints.operator", c.Operator); err != nil {
			return err
		}
	}
	return nil
}

func completeTaints(taints []berth.Taint) error {
	for _, t := range taints {
		if err := present("taints.effect", t.Effect); err != nil {
			return err
		}
	}
	return nil
}

func completeExit(e *berth.Exit) error {
	if e == nil {
		return nil
	}
	return present("exit.kind", e.Kind)
}

func present[W ~string](field string, word W) error {
	if word == "" {
		return fmt.Errorf("field %q is missing", field)
	}
	return nil
}
