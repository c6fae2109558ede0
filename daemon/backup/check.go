package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// ErrDamaged means that the file is no whole snapshot of etcd.
var ErrDamaged = errors.New("not a whole snapshot of etcd")

// Info is what a snapshot file holds.
type Info struct {
	Path     string `json:"path"`
	Revision int64  `json:"revision"`
	Keys     int    `json:"keys"` // of the whole etcd
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"` // of the file, as sha256sum prints it
}

// etcd's database is of whole pages; a snapshot has the SHA-256 of it behind.
const sectorBytes = 512

// Check reads a snapshot file whole: the hash at its end, and the tree of its
// database.
func Check(file string) (Info, error) {
	info, err := checkHash(file)
	if err != nil {
		return Info{}, err
	}
	status, err := snapshot.NewV3(zap.NewNop()).Status(file)
	if err != nil {
		return Info{}, fmt.Errorf("%s: %w: %w", file, ErrDamaged, err)
	}
	info.Revision, info.Keys = status.Revision, status.TotalKey
	return info, nil
}

func checkHash(file string) (Info, error) {
	f, err := os.Open(file)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	if !st.Mode().IsRegular() {
		return Info{}, fmt.Errorf("%s: %w: it is no regular file", file, ErrDamaged)
	}
	if st.Size() <= sha256.Size || st.Size()%sectorBytes != sha256.Size {
		return Info{}, fmt.Errorf("%s: %w: %d bytes are no database with a hash behind it; it was cut short, or is another file", file, ErrDamaged, st.Size())
	}
	whole, database := sha256.New(), sha256.New()
	if _, err := io.CopyN(io.MultiWriter(whole, database), f, st.Size()-sha256.Size); err != nil {
		return Info{}, err
	}
	behind, err := io.ReadAll(io.TeeReader(f, whole))
	if err != nil {
		return Info{}, err
	}
	if !bytes.Equal(behind, database.Sum(nil)) {
		return Info{}, fmt.Errorf("%s: %w: its hash is not that of its content", file, ErrDamaged)
	}
	return Info{Path: file, Bytes: st.Size(), SHA256: hex.EncodeToString(whole.Sum(nil))}, nil
}
