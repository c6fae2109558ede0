package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/integration/netns"
)

// driver brings the faults about. Each is a goroutine: they overlap, but for
// two on one target.
type driver struct {
	*site
	behind func() int64 // a revision that all who follow have passed
	begin  time.Time
	mu     sync.Mutex
	done   []fault
}

// Bounds of what is asked of a cluster that may have no leader.
const (
	askEach = 3 * time.Second
	askAll  = time.Minute
)

// drive lets all happen, and returns when all is mended.
func (d *driver) drive(ctx context.Context, all []fault) {
	d.begin = time.Now()
	var group sync.WaitGroup
	for _, f := range all {
		select {
		case <-time.After(time.Until(d.begin.Add(f.At))):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			if err := d.one(ctx, &f); err != nil {
				f.Error = err.Error()
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.done = append(d.done, f)
		})
	}
	group.Wait()
}

// one waits for the target, strikes it, and mends it after a while.
func (d *driver) one(ctx context.Context, f *fault) error {
	unlock := d.lock(f)
	defer unlock()
	f.Began = time.Since(d.begin)
	defer func() { f.Ended = time.Since(d.begin) }()
	mend, err := d.strike(ctx, f)
	if mend == nil {
		return err
	}
	select {
	case <-time.After(f.For):
	case <-ctx.Done():
	}
	return errors.Join(err, mend())
}

// lock takes what a fault strikes. Locks are taken in the order of this list: the
// store's, hosts', agents', members'; a host's fault takes its agents, and a restart of the
// whole cluster all members.
func (d *driver) lock(f *fault) (unlock func()) {
	var held []*sync.Mutex
	take := func(of target, i int) {
		d.locks[of][i].Lock()
		held = append(held, &d.locks[of][i])
	}
	switch f.Kind {
	case memberKilled, memberStopped, memberCut, memberHalfCut, defragmented:
		take(oneMember, f.Target)
	case daemonKilled, daemonStopped, daemonCut:
		take(oneDaemon, f.Target)
	case agentKilled, agentStopped, agentEnded:
		take(oneAgent, f.Target)
	case hostKilled, hostCut:
		take(oneHost, f.Target)
		if f.Kind == hostKilled {
			for a := range d.opts.agents {
				take(oneAgent, f.Target*d.opts.agents+a)
			}
		}
	case allRestarted:
		for i := range members {
			take(oneMember, i)
		}
	case alarmed:
		take(theStore, 0)
	case leaderMoved, compacted:
	}
	return func() {
		for _, m := range held {
			m.Unlock()
		}
	}
}

// strike does it, and returns what mends it; nil: nothing is to be mended.
func (d *driver) strike(ctx context.Context, f *fault) (mend func() error, err error) {
	i := f.Target
	switch f.Kind {
	case memberKilled:
		d.etcd.Kill(i)
		return func() error { d.etcd.Start(i); return nil }, nil
	case memberStopped:
		d.etcd.Stop(i)
		return func() error { d.etcd.Continue(i); return nil }, nil
	case memberCut:
		return cut(d.memberHosts[i], netns.CutLink)
	case memberHalfCut:
		return cut(d.memberHosts[i], netns.Cuts[1+f.Way%2])
	case daemonKilled:
		return end(ctx, syscall.SIGKILL, d.daemons[i])
	case daemonStopped:
		return stop(d.daemons[i])
	case daemonCut:
		return cut(d.daemonHosts[i], netns.Cuts[f.Way])
	case agentKilled:
		return end(ctx, syscall.SIGKILL, d.agents[i])
	case agentStopped:
		return stop(d.agents[i])
	case agentEnded:
		return end(ctx, syscall.SIGTERM, d.agents[i])
	case hostKilled:
		return d.killHost(ctx, i)
	case hostCut:
		return cut(d.workerHosts[i], netns.Cuts[f.Way])
	case allRestarted:
		return d.killStore()
	case leaderMoved, compacted, defragmented, alarmed:
		return d.ask(ctx, f)
	}
	return nil, fmt.Errorf("no such fault: %q", f.Kind)
}

func cut(h *netns.Host, how netns.Cut) (mend func() error, err error) {
	return h.Heal, h.Cut(how)
}

func stop(k *keeper) (mend func() error, err error) {
	k.signal(syscall.SIGSTOP)
	return func() error { k.signal(syscall.SIGCONT); return nil }, nil
}

func end(ctx context.Context, s syscall.Signal, k *keeper) (mend func() error, err error) {
	k.end(ctx, s)
	return func() error { k.setAway(false); return nil }, nil
}

// killHost is a loss of power: agents, guards and containers at once.
func (d *driver) killHost(ctx context.Context, i int) (mend func() error, err error) {
	own := d.agents[i*d.opts.agents : (i+1)*d.opts.agents]
	for _, k := range own {
		k.setAway(true)
	}
	_, err = d.workerHosts[i].Kill()
	for _, k := range own {
		k.end(ctx, syscall.SIGKILL)
	}
	return func() error {
		for _, k := range own {
			k.setAway(false)
		}
		return nil
	}, err
}

func (d *driver) killStore() (mend func() error, err error) {
	for i := range members {
		d.etcd.Kill(i)
	}
	return func() error {
		for i := range members {
			d.etcd.Start(i)
		}
		return nil
	}, nil
}

// ask insists on what only a cluster with a leader grants.
func (d *driver) ask(ctx context.Context, f *fault) (mend func() error, err error) {
	try := map[kind]func(context.Context) error{
		leaderMoved: d.moveLeader, compacted: d.compact, alarmed: d.raiseAlarm,
		defragmented: func(ctx context.Context) error {
			_, err := d.asks[f.Target].Defragment(ctx, d.etcd.Endpoint(f.Target))
			return err
		},
	}[f.Kind]
	if err := insist(ctx, try); err != nil || f.Kind != alarmed {
		return nil, err
	}
	return func() error { return insist(ctx, d.disarm) }, nil
}

// insist repeats a call until it succeeds.
func insist(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	for {
		each, cancelEach := context.WithTimeout(ctx, askEach)
		err := call(each)
		cancelEach()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (d *driver) moveLeader(ctx context.Context) error {
	leader := d.etcd.Leader(ctx, d.asks)
	if leader < 0 {
		return errors.New("no leader")
	}
	for n := 1; n < members; n++ {
		to := (leader + n) % members
		st, err := d.asks[to].Status(ctx, d.etcd.Endpoint(to))
		if err != nil {
			continue
		}
		_, err = d.asks[leader].MoveLeader(ctx, st.Header.MemberId)
		return err
	}
	return errors.New("no member to move to")
}

// compact leaves a tail of history, so that who follows at a member that lags
// is rarely cut short.
func (d *driver) compact(ctx context.Context) error {
	rev := d.behind()
	if rev > 4000 {
		rev -= 2000
	} else {
		rev /= 2
	}
	_, err := d.store.Compact(ctx, rev)
	if errors.Is(err, rpctypes.ErrCompacted) { // a daemon was there before: while the alarm stands, it leaves no history
		_, err = d.store.Compact(ctx, d.behind())
	}
	return err
}

// raiseAlarm raises what a member whose quota is used up raises: from then on,
// the cluster refuses every put. It is etcd's own alarm, raised by its API.
func (d *driver) raiseAlarm(ctx context.Context) error {
	st, err := d.asks[0].Status(ctx, d.etcd.Endpoint(0))
	if err != nil {
		return err
	}
	_, err = pb.NewMaintenanceClient(d.store.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: st.Header.MemberId, Alarm: pb.AlarmType_NOSPACE,
	})
	return err
}

// disarm is the operator's; a daemon may have found room and done it before.
func (d *driver) disarm(ctx context.Context) error {
	list, err := d.store.AlarmList(ctx)
	if err != nil {
		return err
	}
	for _, a := range list.Alarms {
		if _, err := d.store.AlarmDisarm(ctx, (*clientv3.AlarmMember)(a)); err != nil {
			return err
		}
	}
	return nil
}
