package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/daemon/backup"
)

// lagging gives the snapshot of a member that has not got everything.
type lagging struct {
	clientv3.Maintenance
	old string
}

func (l lagging) SnapshotWithVersion(context.Context) (*clientv3.SnapshotResponse, error) {
	f, err := os.Open(l.old)
	if err != nil {
		return nil, err
	}
	return &clientv3.SnapshotResponse{Snapshot: f}, nil
}

// A snapshot is a member's own: one without what was acknowledged before is refused,
// and nothing is left of it.
func TestSave_MemberBehind(t *testing.T) {
	r := newRig(t)
	c := r.etcd.Client()
	own := c.Maintenance
	c.Maintenance = lagging{own, r.file}
	file := filepath.Join(t.TempDir(), "next")
	if _, err := backup.Save(t.Context(), c, file, backup.SaveOptions{}); err != nil {
		t.Errorf("a member that has got everything: %v", err)
	}
	submit(t, r.store, "acknowledged", 0)
	if _, err := backup.Save(t.Context(), c, file, backup.SaveOptions{Overwrite: true}); !errors.Is(err, backup.ErrBehind) {
		t.Errorf("a member that is behind: %v, want ErrBehind", err)
	}
	if info, err := backup.Check(file); err != nil || info.Revision != r.info.Revision {
		t.Errorf("the former file: %+v, %v", info, err)
	}
	if _, err := os.Lstat(file + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a part is left: %v", err)
	}
	c.Maintenance = own
	if info, err := backup.Save(t.Context(), c, file, backup.SaveOptions{Overwrite: true}); err != nil || info.Revision <= r.info.Revision {
		t.Errorf("afterwards: %+v, %v", info, err)
	}
}
