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

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrExists means that the file is there, and was not to be overwritten.
var ErrExists = errors.New("the file exists")

// SaveOptions of a backup.
type SaveOptions struct {
	Overwrite bool
	Progress  func(bytes int64) // may be nil; called from time to time
}

// Save writes a snapshot of the member that client talks to: the store at one
// revision. The file is checked before it gets its name.
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
	return info, err
}

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
