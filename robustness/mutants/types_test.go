package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// listed is a package as the go command tells of it.
type listed struct {
	ImportPath string
	Dir        string
	Export     string // file of its types
	GoFiles    []string
}

// Every planted bug is Go that the compiler takes, in the packages that it changes: one
// that does not build is found by nothing, and only `make mutants` would tell.
func TestPatches_Types(t *testing.T) {
	t.Parallel()
	patches, err := loadPatches(".", "")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	changed := make(map[string]bool)
	for _, p := range patches {
		for _, d := range p.dirs {
			changed["./"+d] = true
		}
	}
	byPath, byDir := listPackages(t, tree, slices.Sorted(maps.Keys(changed)))
	var all errgroup.Group
	all.SetLimit(2)
	for _, p := range patches {
		all.Go(func() error {
			if err := typesOf(t, tree, p, byPath, byDir); err != nil {
				t.Errorf("%s does not build: write it anew for the code as it is now: %v", p.name, err)
			}
			return nil
		})
	}
	_ = all.Wait() // each tells its own
}

// listPackages returns packages and all that they import, by path and by directory.
func listPackages(t *testing.T, tree string, patterns []string) (byPath, byDir map[string]listed) {
	t.Helper()
	out, err := command(t.Context(), tree, "go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}, patterns...)...)
	if err != nil {
		t.Fatal(err)
	}
	byPath, byDir = make(map[string]listed), make(map[string]listed)
	for dec := json.NewDecoder(strings.NewReader(out)); ; {
		var p listed
		switch err := dec.Decode(&p); {
		case err == io.EOF:
			return byPath, byDir
		case err != nil:
			t.Fatal(err)
		}
		byPath[p.ImportPath], byDir[p.Dir] = p, p
	}
}

// typesOf checks the packages that a patch changes, as they are with it.
func typesOf(t *testing.T, tree string, p patch, byPath, byDir map[string]listed) error {
	copied := t.TempDir()
	for _, d := range p.dirs {
		if err := copySources(filepath.Join(copied, d), filepath.Join(tree, d)); err != nil {
			return err
		}
	}
	file, err := filepath.Abs(p.file)
	if err != nil {
		return err
	}
	if err := apply(t.Context(), copied, file); err != nil {
		return err
	}
	for _, d := range p.dirs {
		is, ok := byDir[filepath.Join(tree, d)]
		if !ok {
			return fmt.Errorf("%s is no package", d)
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range is.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(copied, d, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		exports := func(path string) (io.ReadCloser, error) { return os.Open(byPath[path].Export) }
		conf := types.Config{Importer: importer.ForCompiler(fset, "gc", exports)}
		if _, err := conf.Check(is.ImportPath, fset, files, nil); err != nil {
			return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), copied+"/"))
		}
	}
	return nil
}

func copySources(to, from string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
