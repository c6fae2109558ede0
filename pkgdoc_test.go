package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPackageDoc demands of every package that one of its files says what the
// package owns. In a package of tests alone, a test file may say it.
func TestPackageDoc(t *testing.T) {
	for _, pkg := range listPackages(t) {
		names := slices.Concat(pkg.GoFiles, pkg.TestGoFiles, pkg.XTestGoFiles)
		if len(pkg.GoFiles) > 0 {
			names = pkg.GoFiles
		}
		var docs []string
		generated := len(names) > 0
		for _, name := range names {
			file := parseHeader(t, filepath.Join(pkg.Dir, name))
			generated = generated && ast.IsGenerated(file)
			if doc := strings.TrimSpace(file.Doc.Text()); doc != "" {
				docs = append(docs, doc)
			}
		}
		switch {
		case generated:
		case len(docs) == 0:
			t.Errorf("%s has no package doc: say in doc.go what it owns, what it never does, and which invariants it keeps", pkg.ImportPath)
		case len(docs) > 1:
			t.Errorf("%s has %d package docs, in several files: keep one", pkg.ImportPath, len(docs))
		case !strings.HasPrefix(docs[0], "Package ") && !strings.HasPrefix(docs[0], "Command "):
			t.Errorf("%s: package doc begins %q: begin it with Package or Command, and the name", pkg.ImportPath, firstLine(docs[0]))
		}
	}
}

func parseHeader(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatalf("parse %s: %v", path, err)
	}
	return file
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
