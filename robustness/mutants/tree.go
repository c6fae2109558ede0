package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tree is a copy of the source tree, with a repository of its own so that it can
// be put back after a patch.
type tree struct{ dir string }

func moduleRoot(ctx context.Context) (string, error) {
	out, err := command(ctx, ".", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	return strings.TrimSpace(out), nil
}

// copyTree copies what git tracks, and what is new and not ignored.
func copyTree(ctx context.Context, root, to string) (*tree, error) {
	out, err := command(ctx, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, fmt.Errorf("list the source tree: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(out, "\x00"), "\x00") {
		err := copyFile(filepath.Join(root, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // deleted, and not yet told to git
			return nil, fmt.Errorf("copy the source tree: %w", err)
		}
	}
	t := &tree{dir: to}
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "-A"},
		{"-c", "user.name=mutants", "-c", "user.email=mutants@localhost", "commit", "-q", "--no-verify", "-m", "tree"},
	} {
		if _, err := command(ctx, to, "git", args...); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if !info.Mode().IsRegular() {
		return nil // a nested repository
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// applyWays are tried in this order: as the patch stands, then with less of its
// context, with wrong line counts, made without context, and without the first
// part of its paths.
var applyWays = [][]string{{}, {"-C1"}, {"--recount", "-C1"}, {"--unidiff-zero"}, {"-p0"}}

// apply puts a patch on a tree; check only says whether it would.
func apply(ctx context.Context, dir, file string, more ...string) error {
	var first error
	for _, way := range applyWays {
		args := append([]string{"apply", "--whitespace=nowarn"}, way...)
		_, err := command(ctx, dir, "git", append(append(args, more...), file)...)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// restore takes the patch back, and all that tests left.
func (t *tree) restore(ctx context.Context) error {
	if _, err := command(ctx, t.dir, "git", "checkout", "-q", "-f", "."); err != nil {
		return err
	}
	_, err := command(ctx, t.dir, "git", "clean", "-q", "-fd")
	return err
}

// command runs a program in dir; what it printed is part of its error.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}
