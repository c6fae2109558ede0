package daemon

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// memberBytes is what a member of a group takes, at most, of the transaction that places
// them all: its records, and the ledger of its worker. Each may get a worker for itself, and
// which that is shows only then: the largest ledger of the pool is reckoned with.
func (d *Daemon) memberBytes(ctx context.Context, r *berth.Request) (int, error) {
	var at largest
	if err := d.call(ctx, func(l *loop) { at = l.largestOf(r) }); err != nil {
		return 0, err
	}
	return d.store.PlaceBytes(at.placement(r), at.ledger)
}

// largest is what workers of a pool have most of, of what stands in records.
type largest struct {
	ledger  int64          // bytes, were all its devices and the member's ports in use
	worker  berth.WorkerID // the longest name
	devices []string       // the longest names of devices, as many as a member may get
}

// ledgerGrows is what a ledger may grow by beside names: its sums have more digits.
const ledgerGrows = 256

// Bytes of one entry of a list, beside names.
const (
	deviceEntry = len(`{"name":"","milli":1000},`)
	portEntry   = len(`65535,`)
)

func (l *loop) largestOf(r *berth.Request) (most largest) {
	wanted := int64(0)
	for _, d := range r.Resources.Devices {
		wanted += d.Count
	}
	for k, f := range l.view.whole[berth.KindWorker] {
		rec, ok := f.Record.(*berth.Worker)
		if !ok || rec.Pool != r.Pool {
			continue
		}
		if w := berth.WorkerID(k.ID); len(w) > len(most.worker) || len(w) == len(most.worker) && w > most.worker {
			most.worker = w
		}
		ledger := l.view.whole[berth.KindLedger][ledgerKey(berth.WorkerID(k.ID))]
		bytes := ledger.Size
		if wanted > 0 {
			names := make([]string, 0, len(rec.Capacity.Devices))
			for _, d := range rec.Capacity.Devices {
				bytes += int64(len(d.Name) + deviceEntry)
				names = append(names, d.Name)
			}
			if g, ok := ledger.Record.(*berth.Ledger); ok { // these stand in it
				for _, d := range g.Reserved.Devices {
					bytes -= int64(len(d.Name) + deviceEntry)
				}
			}
			if n := min(len(names), int(wanted)); lengthOf(names[:n]) > lengthOf(most.devices) {
				most.devices = names[:n]
			}
		}
		most.ledger = max(most.ledger, bytes)
	}
	most.ledger += ledgerGrows + int64(len(r.Resources.Ports)*portEntry)
	return most
}

func lengthOf(names []string) (n int) {
	for _, name := range names {
		n += len(name) + deviceEntry
	}
	return n
}

// placement is a member's, with numbers of many digits.
func (m largest) placement(r *berth.Request) berth.Placement {
	const many = 1 << 40
	at := time.Date(2026, 1, 1, 0, 0, 0, 123_456_789, time.UTC)
	last := r.Members()[r.Group.Size-1].ID
	plan := berth.TxnID(strings.Repeat("0", 24))
	a := berth.Allocation{
		State: berth.StatePlaced, Attempt: many, Epoch: many, PlanID: plan, Tenant: r.Tenant, Share: berth.Share{Quantities: r.Resources.Quantities},
		Group: r.Group.ID, GroupAttempt: many, StartTimeoutMS: r.StartTimeoutMS, KeepMS: r.KeepMS, PlacedAt: at,
		Planned: berth.Basis{Revision: many, Clock: at, Policy: scheduler.PolicyVersion},
	}
	for range r.Resources.Ports {
		a.Share.Ports = append(a.Share.Ports, 65_535)
	}
	for _, name := range m.devices {
		a.Share.Devices = append(a.Share.Devices, berth.DeviceShare{Name: name, Milli: berth.WholeDevice})
	}
	return berth.Placement{
		Request: last, Worker: m.worker, RequestWas: many, StateWas: many, Allocation: a,
		State: berth.Progress{
			State: berth.StatePlaced, Attempt: many, Used: many, Worker: m.worker, Epoch: many, PlanID: plan,
			LastEnd: berth.EndStartTimeout, Avoid: slices.Repeat([]berth.WorkerID{m.worker}, maxAvoid),
		},
	}
}
