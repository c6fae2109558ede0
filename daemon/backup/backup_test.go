package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon/backup"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/invariant"
)

// rig is a store with a worker, a daemon and a request, and a backup of it.
type rig struct {
	t     *testing.T
	etcd  *embed.Server
	store *etcdstore.Store
	lease *etcdstore.Lease
	epoch berth.Epoch
	file  string
	info  backup.Info
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, file: filepath.Join(t.TempDir(), "backup")}
	r.etcd = serve(t, t.TempDir())
	r.store = open(t, r.etcd)
	var err error
	if r.lease, err = r.store.KeepLease(t.Context(), 60*time.Second); err != nil {
		t.Fatal(err)
	}
	r.epoch = register(t, r.store, r.lease)
	if _, err := r.store.RegisterDaemon(t.Context(), "d", r.lease.ID, berth.Daemon{Program: "test", MaxSchema: 1, StartedAt: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	submit(t, r.store, "known", 7000)
	if r.info, err = backup.Save(t.Context(), r.etcd.Client(), r.file, backup.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return r
}

func serve(t *testing.T, dir string) *embed.Server {
	t.Helper()
	s, err := embed.Start(t.Context(), embed.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some are closed before
	return s
}

func open(t *testing.T, s *embed.Server) *etcdstore.Store {
	t.Helper()
	store, err := etcdstore.New(s.Client(), etcdstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func register(t *testing.T, store *etcdstore.Store, lease *etcdstore.Lease) berth.Epoch {
	t.Helper()
	epoch, err := store.RegisterWorker(t.Context(), "w", berth.Worker{Pool: "default", Lease: lease.ID, TTLSeconds: 60, KillMS: 2000, Agent: "test", StartedAt: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

func submit(t *testing.T, store *etcdstore.Store, id string, keepMS int64) {
	t.Helper()
	spec := berth.Request{ID: berth.RequestID(id), Command: []string{"true"}, KeepMS: keepMS}.Normalize()
	digest, err := spec.Digest()
	if err != nil {
		t.Fatal(err)
	}
	plan := &berth.Plan{ID: store.NewTxnID(), Submits: []berth.Submit{{Submission: berth.Submission{Digest: digest, SubmittedAt: time.Now().UTC(), Spec: spec}}}}
	if _, err := store.Commit(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}

// prepare makes a restored store safe, and returns what it did.
func prepare(opts etcdstore.RestoreOptions, done *etcdstore.Restoring) func(context.Context, *clientv3.Client) error {
	return func(ctx context.Context, client *clientv3.Client) error {
		store, err := etcdstore.New(client, etcdstore.Options{})
		if err == nil {
			*done, err = store.PrepareRestored(ctx, opts)
		}
		return err
	}
}

func TestSave(t *testing.T) {
	r := newRig(t)
	content, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(r.file)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 || r.info.Bytes != st.Size() || r.info.Keys != 4 || r.info.Revision < 4 {
		t.Errorf("mode %v, %d bytes: %+v", st.Mode(), st.Size(), r.info)
	}
	if _, err := backup.Save(t.Context(), r.etcd.Client(), r.file, backup.SaveOptions{}); !errors.Is(err, backup.ErrExists) {
		t.Errorf("over a file: %v, want ErrExists", err)
	}
	if now, err := os.ReadFile(r.file); err != nil || !bytes.Equal(now, content) {
		t.Errorf("the file has changed: %v", err)
	}
	submit(t, r.store, "more", 0)
	again, err := backup.Save(t.Context(), r.etcd.Client(), r.file, backup.SaveOptions{Overwrite: true})
	if err != nil || again.Keys != 5 {
		t.Errorf("%+v, %v", again, err)
	}
	// A file that cannot be written leaves nothing.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	other := filepath.Join(t.TempDir(), "other")
	if _, err := backup.Save(gone, r.etcd.Client(), other, backup.SaveOptions{}); err == nil {
		t.Error("saved after the end")
	}
	if left, _ := filepath.Glob(other + "*"); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// What is no whole snapshot is refused with what is wrong, and makes no directory.
func TestRestore_BadFile(t *testing.T) {
	r := newRig(t)
	good, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	noise := bytes.Repeat([]byte("noise..."), 8<<10)
	sum := sha256.Sum256(noise)
	for name, tt := range map[string]struct {
		content []byte
		want    error
		says    string
	}{
		"absent":                    {nil, fs.ErrNotExist, "no such file"},
		"empty":                     {[]byte{}, backup.ErrDamaged, "0 bytes"},
		"truncated":                 {good[:len(good)-100], backup.ErrDamaged, "cut short"},
		"truncated by a page":       {good[:len(good)-4096], backup.ErrDamaged, "hash"},
		"without its hash":          {good[:len(good)-sha256.Size], backup.ErrDamaged, "cut short"},
		"one bit changed":           {flipped, backup.ErrDamaged, "hash"},
		"another file, well hashed": {append(bytes.Clone(noise), sum[:]...), backup.ErrDamaged, "invalid database"},
	} {
		t.Run(name, func(t *testing.T) {
			file, dir := filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "dir")
			if tt.content != nil {
				if err := os.WriteFile(file, tt.content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := backup.Restore(t.Context(), backup.RestoreOptions{File: file, Dir: dir}, prepare(etcdstore.RestoreOptions{}, new(etcdstore.Restoring)))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), file) {
				t.Errorf("%v; want %v that says %q and names the file", err, tt.want, tt.says)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it made the directory: %v", err)
			}
		})
	}
}

// A directory in use, or not empty, stays as it is; a preparation that fails
// leaves no store that a daemon would serve.
func TestRestore_BadDirectory(t *testing.T) {
	r := newRig(t)
	into := func(dir string, prepare func(context.Context, *clientv3.Client) error) error {
		_, err := backup.Restore(t.Context(), backup.RestoreOptions{File: r.file, Dir: dir}, prepare)
		return err
	}
	good := prepare(etcdstore.RestoreOptions{}, new(etcdstore.Restoring))
	running := t.TempDir()
	serve(t, running)
	if err := into(running, good); !errors.Is(err, embed.ErrLocked) {
		t.Errorf("a running daemon's: %v, want ErrLocked", err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := into(full, good); !errors.Is(err, backup.ErrNotEmpty) || !strings.Contains(err.Error(), "mine") {
		t.Errorf("not empty: %v", err)
	}
	dir, failed := t.TempDir(), errors.New("failed")
	if err := into(dir, func(context.Context, *clientv3.Client) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("a preparation that failed: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || entries[0].Name() != embed.LockFile {
		t.Errorf("it left %v", entries)
	}
	// So does one that is killed: what it left is cleared by the next.
	if err := os.MkdirAll(filepath.Join(dir, "restore.part", "etcd", "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := into(dir, good); err != nil {
		t.Errorf("after one that was killed: %v", err)
	}
}

// A restored store is another cluster, whose revisions are beyond any that was
// served; who lived is gone, with its lease, and a hold stands in the schema that
// is as long as anything may still run.
func TestRestore(t *testing.T) {
	r := newRig(t)
	submit(t, r.store, "forgotten", 0)
	served, err := r.etcd.Client().Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	var did etcdstore.Restoring
	opts := etcdstore.RestoreOptions{LongestTTL: 30 * time.Second, LongestKill: time.Second, AllLeases: true}
	info, err := backup.Restore(t.Context(), backup.RestoreOptions{File: r.file, Dir: dir}, prepare(opts, &did))
	if err != nil {
		t.Fatal(err)
	}
	if info.SHA256 != r.info.SHA256 || did.Dropped != 2 || did.Leases != 1 || did.Keys != 4 {
		t.Errorf("%+v; %+v", info, did)
	}
	// 60 s and 2 s of the worker in the backup, 7 s of the request, 1 % of it.
	if want := 69_691 * time.Millisecond; did.Hold != want {
		t.Errorf("hold %s, want %s", did.Hold, want)
	}
	etcd := serve(t, dir)
	store := open(t, etcd)
	now, err := etcd.Client().Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if now.Header.ClusterId == served.Header.ClusterId || now.Header.Revision < served.Header.Revision+backup.DefaultBump {
		t.Errorf("cluster %x after %x, revision %d after %d", now.Header.ClusterId, served.Header.ClusterId, now.Header.Revision, served.Header.Revision)
	}
	facts, err := store.Get(t.Context(), berth.Key{Kind: berth.KindSchema}, berth.Key{Kind: berth.KindRequest, ID: "known"},
		berth.Key{Kind: berth.KindRequest, ID: "forgotten"}, berth.Key{Kind: berth.KindWorker, ID: "w"}, berth.Key{Kind: berth.KindDaemon, ID: "d"})
	if err != nil {
		t.Fatal(err)
	}
	schema, ok := facts[0].Record.(*berth.Schema)
	if !ok || schema.Restored == nil || schema.Restored.HoldMS != did.Hold.Milliseconds() || facts[1].Record == nil {
		t.Errorf("schema %+v, known request %v", facts[0].Record, facts[1].Record)
	}
	for _, f := range facts[2:] {
		if f.Record != nil {
			t.Errorf("%+v is there", f.Key)
		}
	}
	if _, gone, err := store.LeaseRemaining(t.Context(), r.lease.ID); err != nil || !gone {
		t.Errorf("the lease lives: %v", err)
	}
	lease, err := store.KeepLease(t.Context(), 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if epoch := register(t, store, lease); int64(epoch) <= served.Header.Revision {
		t.Errorf("epoch %d after %d", epoch, r.epoch)
	}
	report, err := invariant.CheckStore(t.Context(), etcd.Client(), "/berth/", invariant.Options{})
	if err != nil || len(report.Violations) > 0 {
		t.Errorf("fsck: %v, %v", report.Violations, err)
	}
}

// A cluster that etcdutl has restored is prepared by its endpoint, as often as
// need be, until it is in service.
func TestPrepareRestored_Again(t *testing.T) {
	r := newRig(t)
	dir := filepath.Join(t.TempDir(), "new")
	untouched := func(context.Context, *clientv3.Client) error { return nil }
	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{File: r.file, Dir: dir}, untouched); err != nil {
		t.Fatal(err)
	}
	etcd := serve(t, dir)
	var did etcdstore.Restoring
	again := prepare(etcdstore.RestoreOptions{LongestTTL: time.Minute}, &did)
	for want := range 2 {
		if err := again(t.Context(), etcd.Client()); err != nil {
			t.Fatal(err)
		}
		if dropped := int64(2 - 2*want); did.Dropped != dropped {
			t.Errorf("%d registrations dropped, want %d", did.Dropped, dropped)
		}
	}
	store := open(t, etcd)
	lease, err := store.KeepLease(t.Context(), 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	register(t, store, lease)
	if err := again(t.Context(), etcd.Client()); !errors.Is(err, etcdstore.ErrNotBumped) {
		t.Errorf("in service: %v, want ErrNotBumped", err)
	}
}
