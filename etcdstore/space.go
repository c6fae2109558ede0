package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

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

// Space asks every member, and answers with the fullest.
func (s *Store) Space(ctx context.Context) (Space, error) {
	var worst Space
	for _, endpoint := range s.members() {
		st, err := s.client.Status(ctx, endpoint)
		if err != nil {
			return Space{}, fmt.Errorf("status of %s: %w", endpoint, err)
		}
		one := Space{SizeBytes: st.DbSize, InUseBytes: st.DbSizeInUse, QuotaBytes: st.DbSizeQuota, Revision: berth.Revision(st.Header.Revision)}
		if one.QuotaBytes <= 0 {
			one.QuotaBytes = defaultQuota
		}
		if one.SizeBytes > worst.SizeBytes {
			worst = one
		}
	}
	alarms, err := s.client.AlarmList(ctx)
	if err != nil {
		return Space{}, fmt.Errorf("list alarms: %w", err)
	}
	for _, a := range alarms.Alarms {
		worst.Alarm = worst.Alarm || a.Alarm == pb.AlarmType_NOSPACE
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

// Defragment gives free pages back, one member after the other; each stops
// serving while it runs.
func (s *Store) Defragment(ctx context.Context) error {
	for _, endpoint := range s.members() {
		if _, err := s.client.Defragment(ctx, endpoint); err != nil {
			return fmt.Errorf("defragment %s: %w", endpoint, err)
		}
	}
	return nil
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
