package etcdstore

import "github.com/berthd/berth"

// TxnOf is the transaction that wrote a record, or empty of what is none.
func TxnOf(record any) berth.TxnID {
	if h := headerOf(record); h != nil {
		return h.Txn
	}
	return ""
}

// headerOf is the header of a record, or nil of what is none.
func headerOf(record any) *berth.Header {
	switch r := record.(type) {
	case *berth.Schema:
		return &r.Header
	case *berth.Worker:
		return &r.Header
	case *berth.Conditions:
		return &r.Header
	case *berth.Intent:
		return &r.Header
	case *berth.Ledger:
		return &r.Header
	case *berth.Submission:
		return &r.Header
	case *berth.Progress:
		return &r.Header
	case *berth.Allocation:
		return &r.Header
	case *berth.Group:
		return &r.Header
	case *berth.Hold:
		return &r.Header
	case *berth.Keep:
		return &r.Header
	case *berth.Archive:
		return &r.Header
	case *berth.Daemon:
		return &r.Header
	case *berth.Pool:
		return &r.Header
	case *berth.Tenant:
		return &r.Header
	case *berth.QuotaBlock:
		return &r.Header
	case *berth.Supply:
		return &r.Header
	case *berth.PlanBasis:
		return &r.Header
	case *berth.Brake:
		return &r.Header
	}
	return nil
}
