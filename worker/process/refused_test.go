package process

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth/worker"
)

func TestStart_Refused(t *testing.T) {
	h := newHarness(t, Options{})
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte{0, 1, 2}, 0o700); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/no/such/shell\n"), 0o700); err != nil { //nolint:gosec // it is to be executed
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit func(*worker.Spec)
		want error
		text string
		code int64 // the request's own fault; 0: the machine's
	}{
		"not found":      {func(s *worker.Spec) { s.Command = []string{"no-such-command"} }, os.ErrNotExist, `"no-such-command" not found`, 127},
		"no such file":   {func(s *worker.Spec) { s.Command = []string{"/no/such"} }, os.ErrNotExist, "/no/such not found", 127},
		"not executable": {func(s *worker.Spec) { s.Command = []string{plain} }, os.ErrPermission, "not executable", 126},
		"no program":     {func(s *worker.Spec) { s.Command = []string{garbage} }, unix.ENOEXEC, "exec format", 126},
		"no interpreter": {func(s *worker.Spec) { s.Command = []string{script} }, os.ErrNotExist, script, 127},
		"in a file":      {func(s *worker.Spec) { s.Command = []string{plain + "/x"} }, unix.ENOTDIR, "not a directory", 126},
		"a directory":    {func(s *worker.Spec) { s.Command = []string{"/tmp"} }, os.ErrPermission, "is a directory", 126},
		"no directory":   {func(s *worker.Spec) { s.Dir = "/no/dir" }, os.ErrNotExist, "directory /no/dir", 127},
		"not one":        {func(s *worker.Spec) { s.Dir = plain }, unix.ENOTDIR, "directory " + plain, 126},
		"no user":        {func(s *worker.Spec) { s.User = "no-such-user" }, user.UnknownUserError("no-such-user"), `user "no-such-user"`, 127},
		"no group":       {func(s *worker.Spec) { s.User = "0:no-such-group" }, user.UnknownGroupError("no-such-group"), "no-such-group", 127},
		"too late":       {func(s *worker.Spec) { s.Check = func() error { return worker.ErrDeadline } }, worker.ErrDeadline, "lease", 0},
	} {
		t.Run(name, func(t *testing.T) {
			spec := h.spec("refused-"+strings.ReplaceAll(name, " ", "-"), "/bin/true")
			c.edit(&spec)
			_, err := h.Start(t.Context(), spec)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %v with %q", err, c.want, c.text)
			}
			code := int64(0)
			if fault, own := errors.AsType[*worker.RequestFault](err); own {
				code = fault.Code
			}
			if code != c.code {
				t.Errorf("its code is %d, want %d: %v", code, c.code, err)
			}
		})
	}
}

// A machine that has no room for what a start needs is to blame, and not the request, though
// the kernel's word is one that it also has for commands.
func TestStart_MachineFails(t *testing.T) {
	h := newHarness(t, Options{})
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
	_, err := h.Start(t.Context(), h.spec("homeless", "/bin/true"))
	if _, own := errors.AsType[*worker.RequestFault](err); own || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the directory of its containers: %v", err)
	}
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// An image is refused for what it asks, not as a failure: the request may run elsewhere.
func TestStart_Image(t *testing.T) {
	h := newHarness(t, Options{})
	spec := h.spec("image", "/bin/true")
	spec.Image = "train:3"
	_, err := h.Start(t.Context(), spec)
	if _, refused := errors.AsType[*worker.Rejection](err); !refused || h.TakesImages() {
		t.Errorf("takes images: %t, and the start says %v", h.TakesImages(), err)
	}
}
