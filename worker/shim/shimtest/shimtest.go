// Package shimtest builds the shims' binary for tests, once for each test binary.
package shimtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds berth-shim. Call remove when no test needs it any more.
func Build() (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "berth-shim-test-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // a temporary directory
	path = filepath.Join(dir, "berth-shim")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/berthd/berth/cmd/berth-shim")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build berth-shim: %w\n%s", err, out)
	}
	return path, remove, nil
}

// Main runs tests with the binary built: it is for TestMain. The binary's path
// is in BERTH_SHIM, where the verbs of berth look for it.
func Main(run func() int) int {
	path, remove, err := Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	if err := os.Setenv("BERTH_SHIM", path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

// Path is where Main has put the binary.
func Path() string { return os.Getenv("BERTH_SHIM") }
