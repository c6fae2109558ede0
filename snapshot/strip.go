package snapshot

import "github.com/berthd/berth"

// strip is a record without what a plan does not need and a file should not spread:
// of a request its command, its environment and all that tells what it is, but for
// its labels and its image, which decide where it goes; of a worker where it is and which lease it lives by; of a tenant all but
// its weight, its limits and its loans; of a group what is told of it. Nil: nothing is left, or the record is of no kind that a snapshot holds.
func strip(record any) any {
	switch r := record.(type) {
	case *berth.Submission:
		out := *r
		out.Digest = "" // of the command, too: it could be guessed
		out.Spec.Command, out.Spec.Env, out.Spec.Dir, out.Spec.User = []string{}, nil, "", ""
		return &out
	case *berth.Worker:
		out := *r
		out.Address, out.Lease, out.Hostname, out.BootID, out.StateID = "", "", "", "", ""
		return &out
	case *berth.Ledger:
		out := *r
		out.Lease, out.StateID = "", ""
		return &out
	case *berth.Allocation:
		out := *r
		out.Exit = nil
		if r.Stop != nil {
			stop := *r.Stop
			stop.Message = ""
			out.Stop = &stop
		}
		return &out
	case *berth.Tenant:
		out := &berth.Tenant{Header: r.Header, Weight: r.Weight, Pools: map[berth.PoolID]berth.Quota{}}
		for p, q := range r.Pools {
			if len(q.Limits) > 0 {
				out.Pools[p] = berth.Quota{Limits: q.Limits, Guaranteed: q.Guaranteed, Lent: q.Lent, Borrowed: q.Borrowed, Recalled: q.Recalled}
			}
		}
		if r.Weight == 0 && len(out.Pools) == 0 {
			return nil
		}
		return out
	case *berth.Group:
		out := *r
		out.Digest, out.Message = "", ""
		return &out
	case *berth.Pool, *berth.Keep, *berth.Intent, *berth.Conditions, *berth.Progress:
		return r
	}
	return nil
}
