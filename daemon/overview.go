package daemon

import (
	"cmp"
	"context"
	"slices"

	"github.com/berthd/berth"
)

// Overview is the whole of one store, as this daemon sees it.
type Overview struct {
	Info    Info
	Daemons []Member     // that live, by id
	Pools   []PoolStatus // by id
	Brakes  []BrakeStatus
}

// Member is a daemon that lives, with its share of the live workers.
type Member struct {
	ID     berth.DaemonID
	Daemon berth.Daemon
	Owns   int
}

// PoolStatus counts what a pool has, by state.
type PoolStatus struct {
	ID       berth.PoolID
	Settings berth.Pool
	Workers  map[string]int // ready, lost ...
	Requests map[berth.State]int
}

// Overview counts all that there is.
func (d *Daemon) Overview(ctx context.Context) (Overview, error) {
	info, err := d.Info(ctx)
	if err != nil {
		return Overview{}, err
	}
	workers, err := d.Workers(ctx)
	if err != nil {
		return Overview{}, err
	}
	o := Overview{Info: info}
	err = d.call(ctx, func(l *loop) {
		o.Brakes = l.brakeStatuses()
		o.Daemons = l.membersOf(workers)
		o.Pools = l.poolStatuses(workers)
	})
	return o, err
}

func (l *loop) membersOf(workers []WorkerStatus) []Member {
	owns := make(map[berth.DaemonID]int)
	for i := range workers {
		if workers[i].State != "lost" {
			owns[l.share.ofWorker(workers[i].ID)]++
		}
	}
	members := l.members()
	out := make([]Member, 0, len(members))
	for _, id := range members {
		if r, _ := record[berth.Daemon](l.view, berth.Key{Kind: berth.KindDaemon, ID: string(id)}); r != nil {
			out = append(out, Member{ID: id, Daemon: *r, Owns: owns[id]})
		}
	}
	return out
}

func (l *loop) poolStatuses(workers []WorkerStatus) []PoolStatus {
	pools := make(map[berth.PoolID]*PoolStatus)
	of := func(p berth.PoolID) *PoolStatus {
		if pools[p] == nil {
			pools[p] = &PoolStatus{ID: p, Workers: make(map[string]int), Requests: make(map[berth.State]int)}
			pools[p].Settings = berth.Pool{Strategy: berth.StrategySpread, BrakePolicy: berth.DefaultBrake}
		}
		return pools[p]
	}
	for p, s := range l.poolSettings() {
		of(p).Settings = s
	}
	for i := range workers {
		of(workers[i].Pool).Workers[workers[i].State]++
	}
	for p, byState := range l.view.counts {
		for code, n := range byState {
			if n > 0 {
				of(p).Requests[states[code]] = n
			}
		}
	}
	out := make([]PoolStatus, 0, len(pools))
	for _, s := range pools {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b PoolStatus) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
