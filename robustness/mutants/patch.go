package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// patch is one planted bug. What stands before its diff are lines "Word: text":
//
//	Breaks: the rule of docs/design.md that it breaks
//	Check: a package and, after a space, the tests of it that should find it
//	Seeds: within how many seeds of the simulation
//
// Check may stand more than once. A patch of others has none of them: then every
// sieve is tried, and its subject stands for the rule.
type patch struct {
	name   string
	file   string
	breaks string
	checks []check
	seeds  int      // 0: not said
	dirs   []string // of the files that it changes, relative to the root
}

// check is one package's tests; run empty: all.
type check struct{ pkg, run string }

// loadPatches reads a folder, or one file. Any file that holds a diff is taken;
// of our own folder only *.patch are.
func loadPatches(from, only string) ([]patch, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, fmt.Errorf("read the patches: %w", err)
	}
	files := []string{from}
	if info.IsDir() {
		if files, err = filesOf(from); err != nil {
			return nil, err
		}
	}
	var out []patch
	for _, f := range files {
		p, err := loadPatch(f)
		if err != nil {
			return nil, err
		}
		if strings.Contains(p.name, only) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no patch in %s has a name with %q in it", from, only)
	}
	return out, nil
}

func filesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the patches: %w", err)
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") || slices.Contains([]string{".go", ".md"}, path.Ext(name)) {
			continue
		}
		out = append(out, filepath.Join(dir, name))
	}
	return out, nil // ReadDir sorts
}

func loadPatch(file string) (patch, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return patch{}, fmt.Errorf("read a patch: %w", err)
	}
	base := filepath.Base(file)
	p := patch{name: strings.TrimSuffix(base, path.Ext(base)), file: file}
	if err := p.parse(text); err != nil {
		return patch{}, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// parse reads the header, and which files the diff changes. What others wrote
// before their diff may look like a header, and not be one.
func (p *patch) parse(text []byte) error {
	header, subject := true, ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := changedFile(line); ok {
			header = false
			if dir := path.Dir(name); !slices.Contains(p.dirs, dir) {
				p.dirs = append(p.dirs, dir)
			}
		}
		word, value, ok := strings.Cut(line, ": ")
		if !header || !ok {
			continue
		}
		switch value = strings.TrimSpace(value); word {
		case "Breaks":
			p.breaks = value
		case "Subject":
			subject = value
		case "Check":
			if pkg, run, _ := strings.Cut(value, " "); strings.HasPrefix(pkg, "./") {
				p.checks = append(p.checks, check{pkg, strings.TrimSpace(run)})
			}
		case "Seeds":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				p.seeds = n
			}
		}
	}
	if p.breaks == "" {
		p.breaks = subject
	}
	return lines.Err()
}

// changedFile is the file that a line of a diff's head names: "--- a/x.go",
// "+++ b/x.go", with or without what stands after a tab.
func changedFile(line string) (string, bool) {
	name, ok := strings.CutPrefix(line, "+++ ")
	if !ok {
		if name, ok = strings.CutPrefix(line, "--- "); !ok {
			return "", false
		}
	}
	name, _, _ = strings.Cut(name, "\t")
	_, name, ok = strings.Cut(name, "/")
	return name, ok && name != "dev/null" && path.Ext(name) != "" && !strings.HasPrefix(name, "/") && name != "null"
}
