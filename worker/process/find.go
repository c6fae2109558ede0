package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// shimName is the binary that supervises containers.
const shimName = "berth-shim"

// FindShim finds the shims' binary: the given one, else the one beside this
// process's own, else the one in PATH.
func FindShim(given string) (string, error) {
	if given != "" {
		path, err := exec.LookPath(given)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return "", fmt.Errorf("the supervisor of containers: %w", err)
		}
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this binary, to find %s beside it: %w", shimName, err)
	}
	beside := filepath.Join(filepath.Dir(self), shimName)
	failed := executable(beside)
	if failed == nil {
		return beside, nil
	}
	if path, err := exec.LookPath(shimName); err == nil {
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("%w, nor is %s in PATH; `make build` and `make install` put it beside berth, or name it with --shim", failed, shimName)
}
