package realetcd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// built is the path of etcd's program, found once per process.
var built = sync.OnceValues(build)

// Binary is the path of etcd's program, of the version that tools/etcd/go.mod
// names. It is built once and kept in the user's cache.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := built()
	if err != nil {
		tb.Fatalf("build etcd: %v", err)
	}
	return path
}

func build() (string, error) {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	module := filepath.Join(filepath.Dir(strings.TrimSpace(string(gomod))), "tools", "etcd")
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	hash := sha256.Sum256(append(sums, runtime.Version()...))
	dir := filepath.Join(cache, "berth-test")
	path := filepath.Join(dir, "etcd-"+hex.EncodeToString(hash[:8]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Several tests may build at once: each its own, and the last one stays.
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	cmd := exec.Command("go", "build", "-o", own, "go.etcd.io/etcd/server/v3")
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("%w\n%s", err, out), os.RemoveAll(own))
	}
	return path, os.Rename(own, path)
}
