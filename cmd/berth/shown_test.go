package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"plain, grün: 8 GiB …":      "plain, grün: 8 GiB …",
		"a\x1b[31mb\x1b]0;c\a":      `a\x1b[31mb\x1b]0;c\a`,
		"over\r\x1b[Kwritten\x7f\t": `over\r\x1b[Kwritten\x7f\t`,
		"one byte: \u009b31m":       `one byte: \u009b31m`,
		"no text: \x9b31m":          `no text: \x9b31m`,
		"\u202etxet\u202c \u2066x":  `\u202etxet\u202c \u2066x`,
		"was none: \ufffd":          "was none: \ufffd",
		"two\nlines":                `two\nlines`,
	} {
		if got := shown(text, false); got != want {
			t.Errorf("%q is shown as %s", text, got)
		}
		if got := shown(text, true); got != strings.ReplaceAll(want, `two\n`, "two\n") {
			t.Errorf("%q is shown in lines as %s", text, got)
		}
	}
}

// Colours of our own stay, and are no width; those of a text do not.
func TestShown_Table(t *testing.T) {
	var out bytes.Buffer
	list := table{paint: func(_ int, text string) string { return red + text + plain }}
	list.add("ID", "NOTE")
	list.add("\x1b[31ma", "b\nc")
	if err := list.write(forPeople{&out}); err != nil {
		t.Fatal(err)
	}
	want := "ID         NOTE\n" + red + `\x1b[31ma` + plain + "  " + red + `b\nc` + plain + "\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What others wrote moves nobody's terminal; what a container writes, and JSON, is as it is.
func TestShown_Verbs(t *testing.T) {
	withLocal(t, func(s *shell) {
		none := func(says string, args ...string) {
			t.Helper()
			if r := s.want(exitGood, says, args...); strings.ContainsAny(r.out+r.err, "\x1b\a") {
				t.Errorf("berth %s: %q", strings.Join(args, " "), r.out+r.err)
			}
		}
		evil, quoted := "\x1b[31mx\a\x1b]0;pwn\a", `\x1b[31mx\a\x1b]0;pwn\a`
		s.want(exitGood, "", "submit", "-q", "--id", "a", "--cpu", "100", "--", "true", evil)
		none(quoted, "get", "a")
		s.want(exitGood, "", "cancel", "--message", evil, "a")
		none("cancelled: "+quoted, "get", "a")
		none("cancelled: "+quoted, "list", "--all")
		none("cancelled: "+quoted, "explain", "a")
		s.want(exitGood, `\u001b[31mx\u0007`, "get", "-o", "json", "a")

		group := "id: g\ngroup: {size: 2, topology: \"\\e[33mrack\"}\ncommand: [\"true\"]\n"
		if r := s.with(group, "submit", "-q", "-f", "-"); r.code != exitGood {
			t.Errorf("%+v", r)
		}
		none(`\x1b[33mrack`, "get", "g")
		none(`\x1b[33mrack`, "explain", "g")

		s.want(exitFailed, "", "submit", "-q", "--wait", "--id", "b", "--attempts", "1", "--", "/\x1b[31m/x\a")
		none(`/\x1b[31m/x\a`, "get", "b")
		s.want(exitGood, "", "cordon", "--message", evil, "w-1")
		none(quoted, "workers")
		s.want(exitGood, "", "uncordon", "w-1")

		if r := s.do("run", "--", "printf", `\033[32mgreen`); r.out != "\x1b[32mgreen" {
			t.Errorf("run: %+v", r)
		}
		s.want(exitGood, "", "submit", "-q", "--wait", "--id", "c", "--", "sh", "-c", `printf '\033[32mgreen'; printf '\033[31mred' >&2`)
		if r := s.do("logs", "c"); r.out != "\x1b[32mgreen" || r.err != "\x1b[31mred" {
			t.Errorf("logs: %+v", r)
		}
		none(`\x1b[36mk=v:prefer_no_place`, "taint", "w-1", "\x1b[36mk=v:prefer_no_place")
		none(`\x1b[36mk=v:prefer_no_place`, "workers", "--wide")

		file := filepath.Join(t.TempDir(), "devices.json")
		if err := os.WriteFile(file, []byte(`[{"name": "gpu0", "type": "h100", "link": "\u001b[35mlink"}]`), 0o600); err != nil {
			t.Fatal(err)
		}
		none(`\x1b[35mlink`, "devices", "--devices", file)
	})
}
