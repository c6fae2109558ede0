package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// defaultPath is where commands are looked for, unless the request says.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// command settles what is executed, and as whom, before anything exists.
func (r *Runtime) command(spec worker.Spec) (*shim.Charge, error) {
	who, err := r.accountOf(spec.User)
	if err != nil {
		return nil, err
	}
	dir := spec.Dir
	if dir == "" {
		dir = "/"
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, faultOf(fmt.Errorf("directory %s: %w", dir, notDirectory(err)))
	}
	env := environment(spec.Env, who)
	path, err := lookUp(spec.Command[0], env["PATH"], dir)
	if err != nil {
		return nil, faultOf(err)
	}
	env[shim.MarkVariable] = r.markFor(attempt{spec.Request, spec.Attempt})
	return &shim.Charge{
		Version: shim.Version, Path: path, Args: spec.Command, Dir: dir, Env: listOf(env),
		Account: who.credential, Keep: spec.Keep,
		Output: shim.Output{MaxBytes: r.opts.LogFiles.MaxBytes, MaxFiles: r.opts.LogFiles.MaxFiles},
	}, nil
}

// faultOf tells a command or a directory that the request should not name from a machine
// that cannot look for it.
func faultOf(err error) error {
	if code := shim.FaultCode(err); code != 0 {
		return &worker.RequestFault{Code: int64(code), Err: err}
	}
	return err
}

// markFor is in the environment of all processes of an attempt.
func (r *Runtime) markFor(a attempt) string { return r.mark + "." + a.String() }

func notDirectory(err error) error {
	if err == nil {
		return syscall.ENOTDIR
	}
	return err
}

// environment has nothing of the agent's own, which may hold secrets.
func environment(given map[string]string, who account) map[string]string {
	env := map[string]string{"PATH": defaultPath, "HOME": who.home, "USER": who.name, "LOGNAME": who.name}
	for k, v := range given {
		env[k] = v
	}
	return env
}

func listOf(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// lookUp finds the command as a shell would, in the container's PATH.
func lookUp(name, path, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	var refused error
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, name)
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", fmt.Errorf("command %q not found in PATH %s: %w", name, path, os.ErrNotExist)
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("command %s not found: %w", file, os.ErrNotExist)
	case err != nil:
		return fmt.Errorf("command %s: %w", file, err)
	case info.IsDir():
		return fmt.Errorf("command %s is a directory: %w", file, os.ErrPermission)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("command %s is not executable: %w", file, os.ErrPermission)
	}
	return nil
}
