package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A file of requests without its -f becomes no command; what can be one gets as far as to the
// next mistake.
func TestSubmit_FileAsCommand(t *testing.T) {
	s := &shell{t: t}
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, name := range []string{"plan.yaml", "plan.YML", "plan.json"} {
		path := write(name, 0o600)
		s.want(exitUsage, "berth submit -f "+path, "submit", path)
		s.want(exitUsage, "berth submit -f "+path, "submit", "--", path)
	}
	s.want(exitUsage, "label", "submit", "--label", "novalue", write("run.yaml", 0o700))
	for _, name := range []string{"cpu", "memory", "disk"} {
		s.want(exitUsage, name+" is empty; allowed: an amount", "submit", "--"+name, "", "--", "true")
	}
	s.want(exitUsage, `at "2126-11-27T12:00:00Z" is yet to come`, "explain", "--at", "2126-11-27T12:00:00Z", "x")
	s.want(exitUsage, "label", "submit", "--label", "novalue", write("plan.txt", 0o600))
	s.want(exitUsage, "label", "submit", "--label", "novalue", filepath.Join(dir, "none.yaml"))
	s.want(exitUsage, "label", "submit", "--label", "novalue", "cat", filepath.Join(dir, "plan.yaml"))
}
