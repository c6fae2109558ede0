package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// Shares of the quota, in hundredths, at which submissions and placements stop;
// ends, leases and registrations keep the rest.
const (
	SubmissionsStopAt = 80
	PlacementsStopAt  = 90
)

// defaultQuota is etcd's own, where a server does not tell.
const defaultQuota = 2 << 30

// Space is how full the store is. The zero Space refuses nothing.
type Space struct {
	SizeBytes  int64 // of the database file, free pages included: what the quota counts
	InUseBytes int64
	QuotaBytes int64
	Alarm      bool // raised: every put is refused
	Revision   berth.Revision
	Unreached  []string // members that did not tell how full they are, in their order
}

// RefusesSubmissions says whether the store is too full for new requests.
func (s Space) RefusesSubmissions() bool { return s.Alarm || s.Above(SubmissionsStopAt) }

// RefusesPlacements says whether the store is too full for placements.
func (s Space) RefusesPlacements() bool { return s.Alarm || s.Above(PlacementsStopAt) }

// Above says whether so many hundredths of the quota are in use. The file may be
// larger: its free pages are used again before it grows, and only a file that
// grows reaches the quota. So the file counts only when little is left for it to
// grow, for what large values need cannot always be found among free pages.
func (s Space) Above(hundredths int64) bool {
	if s.QuotaBytes <= 0 {
		return false
	}
	of := func(bytes int64) int64 { return bytes * 100 / s.QuotaBytes }
	return of(s.InUseBytes) >= hundredths || of(s.SizeBytes) >= (hundredths+100)/2
}

func (s Space) String() string {
	text := fmt.Sprintf("%d of %d bytes (%d in use)", s.SizeBytes, s.QuotaBytes, s.InUseBytes)
	if s.Alarm {
		text += ", alarm raised"
	}
	return text
}

// askWithin is how long a member may take to say how full it is. One that is gone
// must leave time to tidy the others.
const askWithin = 2 * time.Second

// memberStatus is what a member says of itself.
type memberStatus struct {
	endpoint string
	says     *clientv3.StatusResponse
	err      error
}

// askMembers asks all members at once.
func (s *Store) askMembers(ctx context.Context) []memberStatus {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var all []memberStatus
	for _, endpoint := range s.members() {
		all = append(all, memberStatus{endpoint: endpoint})
	}
	var wg sync.WaitGroup
	for i := range all {
		m := &all[i]
		wg.Go(func() { m.says, m.err = s.client.Status(ctx, m.endpoint) })
	}
	wg.Wait()
	return all
}

// Space asks every member, and answers with the fullest of those that are there:
// the others are Unreached. It fails when none is.
func (s *Store) Space(ctx context.Context) (Space, error) {
	space, err := fullest(s.askMembers(ctx))
	if err != nil {
		return Space{}, err
	}
	alarms, err := s.client.AlarmList(ctx)
	if err != nil {
		return Space{}, fmt.Errorf("list alarms: %w", err)
	}
	for _, a := range alarms.Alarms {
		space.Alarm = space.Alarm || a.Alarm == pb.AlarmType_NOSPACE
	}
	return space, nil
}

// fullest is the space of the fullest member, at the newest revision of any: one that
// is cut off from the others stays at its own.
func fullest(all []memberStatus) (Space, error) {
	var worst Space
	var errs []error
	for _, m := range all {
		if m.err != nil {
			worst.Unreached = append(worst.Unreached, m.endpoint)
			errs = append(errs, fmt.Errorf("status of %s: %w", m.endpoint, m.err))
			continue
		}
		worst.Revision = max(worst.Revision, berth.Revision(m.says.Header.Revision))
		if worst.QuotaBytes > 0 && m.says.DbSize <= worst.SizeBytes {
			continue
		}
		worst.SizeBytes, worst.InUseBytes, worst.QuotaBytes = m.says.DbSize, m.says.DbSizeInUse, m.says.DbSizeQuota
		if worst.QuotaBytes <= 0 {
			worst.QuotaBytes = defaultQuota
		}
	}
	if len(errs) == len(all) {
		return Space{}, errors.Join(errs...)
	}
	return worst, nil
}

// Compact forgets the history before rev, and returns when its pages are free.
func (s *Store) Compact(ctx context.Context, rev berth.Revision) error {
	_, err := s.client.Compact(ctx, int64(rev), clientv3.WithCompactPhysical())
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("compact at %d: %w", rev, err)
	}
	// bbolt frees pages with the commit after the one that gave them up. In a
	// store that refuses submissions it may never come by itself.
	for range 2 {
		lease, err := s.client.Grant(ctx, int64(MinTTL/time.Second))
		if err != nil {
			return fmt.Errorf("free the pages of what was compacted: %w", err)
		}
		if _, err := s.client.Revoke(ctx, lease.ID); err != nil {
			return fmt.Errorf("free the pages of what was compacted: %w", err)
		}
	}
	return nil
}

// Defragment gives free pages back, one member after the other; each stops serving
// while it runs. Members that are not there are left out; one that fails does not
// keep the next from its turn.
func (s *Store) Defragment(ctx context.Context) error {
	var errs []error
	left := 0
	all := s.askMembers(ctx)
	for _, m := range all {
		if m.err != nil {
			left++
			s.opts.Log.Warn("a member of the store does not answer, and is not defragmented", zap.String("endpoint", m.endpoint), zap.Error(m.err))
			continue
		}
		if _, err := s.client.Defragment(ctx, m.endpoint); err != nil {
			errs = append(errs, fmt.Errorf("defragment %s: %w", m.endpoint, err))
		}
	}
	if left == len(all) {
		return errors.New("defragment: no member of the store answers")
	}
	return errors.Join(errs...)
}

// Disarm ends a space alarm, once there is room again.
func (s *Store) Disarm(ctx context.Context) error {
	alarms, err := s.client.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("list alarms: %w", err)
	}
	for _, a := range alarms.Alarms {
		if a.Alarm != pb.AlarmType_NOSPACE {
			continue
		}
		_, disarmErr := s.client.AlarmDisarm(ctx, (*clientv3.AlarmMember)(a))
		err = errors.Join(err, disarmErr)
	}
	return err
}

// members are the endpoints to ask; a client within the server's process has none.
func (s *Store) members() []string {
	if all := s.client.Endpoints(); len(all) > 0 {
		return all
	}
	return []string{"embedded"}
}
