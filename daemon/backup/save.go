package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// What a caller branches on.
var (
	// ErrExists: the file is there, and was not to be overwritten.
	ErrExists = errors.New("the file exists")
	// ErrBehind: the member that gave the snapshot had not got everything that the
	// store had acknowledged before.
	ErrBehind = errors.New("the snapshot is older than the store: its member is behind; ask another")
)

// SaveOptions of a backup.
type SaveOptions struct {
	Overwrite bool
	Progress  func(bytes int64) // may be nil; called from time to time
}

// Save writes a snapshot of the member that client talks to: the store at one
// revision, with everything that was acknowledged before the call. The file is
// checked before it gets its name.
func Save(ctx context.Context, client *clientv3.Client, file string, opts SaveOptions) (Info, error) {
	if _, err := os.Lstat(file); err == nil && !opts.Overwrite {
		return Info{}, fmt.Errorf("%s: %w", file, ErrExists)
	}
	part := file + ".part"
	info, err := save(ctx, client, part, opts.Progress)
	if err != nil {
		return Info{}, errors.Join(fmt.Errorf("back up to %s: %w", file, err), ignoreAbsent(os.Remove(part)))
	}
	if err := os.Rename(part, file); err != nil {
		return Info{}, errors.Join(fmt.Errorf("back up to %s: %w", file, err), ignoreAbsent(os.Remove(part)))
	}
	info.Path = file
	return info, syncDir(filepath.Dir(file))
}

func save(ctx context.Context, client *clientv3.Client, part string, progress func(int64)) (Info, error) {
	// One that was left may be open to others, or a link to elsewhere.
	if err := ignoreAbsent(os.Remove(part)); err != nil {
		return Info{}, err
	}
	atLeast, err := acknowledged(ctx, client)
	if err != nil {
		return Info{}, err
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Info{}, err
	}
	sum, err := fetch(ctx, client, f, progress)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return Info{}, err
	}
	info, err := Check(part)
	if err == nil && info.SHA256 != sum {
		err = fmt.Errorf("%w: what was written is not what was read back", ErrDamaged)
	}
	if err == nil && info.Revision < atLeast {
		err = fmt.Errorf("%w: revision %d after %d", ErrBehind, info.Revision, atLeast)
	}
	return info, err
}

// acknowledged is a revision that the store has reached by a majority's word. A
// snapshot is a member's own: one that is cut off or slow would give an old state,
// and nothing in the file would tell.
func acknowledged(ctx context.Context, client *clientv3.Client) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	resp, err := client.Get(ctx, "none", clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("ask etcd how far the store is: %w", err)
	}
	return resp.Header.Revision, nil
}

const askTimeout = 10 * time.Second

// fetch returns the SHA-256 of what it wrote.
func fetch(ctx context.Context, client *clientv3.Client, w io.Writer, progress func(int64)) (string, error) {
	resp, err := client.SnapshotWithVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("ask etcd for a snapshot: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(&counter{w: w, sum: sum, tell: progress}, resp.Snapshot)
	if err = errors.Join(err, resp.Snapshot.Close()); err != nil {
		return "", fmt.Errorf("read etcd's snapshot: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// tellEvery so many bytes the progress is told.
const tellEvery = 16 << 20

type counter struct {
	w       io.Writer
	sum     hash.Hash
	n, told int64
	tell    func(int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if c.tell != nil && c.n-c.told >= tellEvery {
		c.told = c.n
		c.tell(c.n)
	}
	return n, err
}

// syncTree makes the names of all that is below a directory durable; what wrote
// the files has synced them.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreAbsent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
