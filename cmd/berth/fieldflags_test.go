package main

import (
	"strings"
	"testing"

	"github.com/berthd/berth"
)

// What is refused is named by the flag that said it.
func TestFlagError(t *testing.T) {
	for field, want := range map[string]string{
		"resources.devices[0].count":        "--device: count is wrong",
		"resources.ports[1].name":           "--port: name is wrong",
		"labels":                            "--label is wrong",
		"retry.backoff_ms":                  "--retry-backoff is wrong",
		"affinity[0].workers[1].operator":   "--affinity-workers: operator is wrong",
		"anti_affinity[0].workers[1].label": "--anti-affinity-workers: label is wrong",
		"retry.on[0]":                       "--retry-on is wrong",
		"retry.on_failure":                  "--retry-on-failure is wrong",
		"affinity_key":                      "--affinity-key is wrong",
		"affinity[0].topology":              "affinity[0].topology is wrong",
		"group.min_count":                   "--group-min is wrong",
		"id":                                "id is wrong",
	} {
		if got := flagError(&berth.FieldError{Field: field, Problem: "is wrong"}).Error(); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	for _, f := range fieldFlags {
		if flagNamed(flatten(requestFlags(), groupFlags()), f.flag) == nil {
			t.Errorf("no flag %s", f.flag)
		}
	}
}

func TestExactBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1: "1", 1 << 30: "1GiB", 3 << 20: "3MiB", 1<<30 + 1<<10: "1048577KiB", 1e9: "1000000000", 1 << 50: "1024TiB"} {
		if got := exactBytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// A small number of bytes without a unit may not be what was meant, and is told; nothing else is.
func TestSubmit_WarnsOfBytes(t *testing.T) {
	withLocal(t, func(s *shell) {
		for _, tt := range []struct {
			warns string
			args  []string
		}{
			{"berth: warning: --memory 64 is 64 bytes; with a unit it is 64MiB\n", []string{"submit", "-o", "json", "--memory", "64", "--", "true"}},
			{"berth: warning: --device any=1@40 is 40 bytes; with a unit it is any=1@40MiB\n", []string{"submit", "--device", "any=1@40", "--", "true"}},
			{"berth: warning: --guaranteed memory=1 is 1 byte; with a unit it is memory=1MiB\n", []string{"tenants", "set", "--memory", "2MiB", "--guaranteed", "memory=1", "red"}},
			{"", []string{"submit", "--memory", "64k", "--disk", "1048576", "--", "true"}},
			{"", []string{"submit", "--memory", "0", "--", "true"}},
		} {
			if r := s.do(tt.args...); r.code != 0 || r.err != tt.warns {
				t.Errorf("berth %s: exit %d, and says %q, want %q", strings.Join(tt.args, " "), r.code, r.err, tt.warns)
			}
		}
		s.want(exitGood, "berth: warning: nothing is guaranteed to tenant blue in pool default, so it lends nothing that --reclaim-after could take back: give it some of its limit, as --guaranteed cpu=CORES\n",
			"tenants", "set", "--cpu", "1", "--reclaim-after", "30s", "blue")
		s.want(exitFailed, "--reclaim-after is of what is guaranteed of a limit, and there is none; give both, as --cpu 16 --guaranteed cpu=8", "tenants", "set", "--reclaim-after", "30s", "green")
	})
}
