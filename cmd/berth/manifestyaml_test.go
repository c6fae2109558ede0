package main

import (
	"strings"
	"testing"
)

// read is what readManifest reads of a text, a line a request: its id, its command, its dir and what of env is V.
func read(text string) (string, error) {
	got, err := readManifest("-", strings.NewReader(text))
	var b strings.Builder
	for _, r := range got {
		b.WriteString(r.GetId() + ":" + strings.Join(r.GetCommand(), "|") + ":" + r.GetDir() + ":" + r.GetEnv()["V"] + "\n")
	}
	return b.String(), err
}

// Whatever is taken says what is written there, whoever else reads it: texts that parsers have been found to read
// as others, without a word.
func TestReadManifest_AsWritten(t *testing.T) {
	const r1, r2 = "id: r1\ncommand: [x]\n", "id: r2\ncommand: [x]\n"
	const both = "r1:x::\nr2:x::\n"
	for name, tt := range map[string]struct{ text, want string }{
		"an empty document between":       {r1 + "---\n---\n" + r2, both},
		"one with a comment":              {r1 + "---\n# nothing\n---\n" + r2, both},
		"one with blanks":                 {r1 + "--- \n---\n" + r2, both},
		"one with a comment behind it":    {r1 + "--- # c\n---\n" + r2, both},
		"several, one of them ended":      {r1 + "---\n---\n...\n---\n" + r2, both},
		"null, and ~":                     {r1 + "--- null\n--- ~\n---\n" + r2, both},
		"an empty one with CRLF":          {strings.ReplaceAll(r1+"---\n---\n"+r2, "\n", "\r\n"), both},
		"an empty one first":              {"---\n# Source: a\n---\n" + r1 + "---\n" + r2, both},
		"an empty one last":               {r1 + "---\n" + r2 + "---\n# end\n---\n", both},
		"an end without a beginning":      {r1 + "...\n" + r2, both},
		"an empty one among JSON":         {`{"id": "r1", "command": ["x"]}` + "\n---\n---\n" + `{"id": "r2", "command": ["x"]}`, both},
		"a tab":                           {"id: a\ncommand:\n- printf \"[%s]\" one\ttwo\n", "a:printf \"[%s]\" one\ttwo::\n"},
		"a tab in env":                    {"id: a\ncommand: [x]\nenv:\n  V: one\ttwo\n", "a:x::one\ttwo\n"},
		"a tab in a flow":                 {"id: a\ncommand: [x, one\ttwo]\nenv: {V: a\tb}\n", "a:x|one\ttwo::a\tb\n"},
		"a tab in quotes in a flow":       {"id: a\ncommand: [\"a\tb\", 'c\td']\n", "a:a\tb|c\td::\n"},
		"tabs around what goes on":        {"id: a\ncommand: [x]\nenv:\n  V: one\t\n    \ttwo\tthree\n", "a:x::one two\tthree\n"},
		"tabs before a comment":           {"id: a\t# c\ncommand: [x]\t\t# d\n", "a:x::\n"},
		"tabs between what is JSON":       {"{\n\t\"id\": \"a\",\n\t\"command\": [\n\t\t\"x\"\n\t]\n}\n", "a:x::\n"},
		"folded, one letter last":         {"id: a\ncommand: [x]\nenv:\n  V: >-\n    exec sleep\n    1", "a:x::exec sleep 1\n"},
		"folded and clipped, so":          {"id: a\ncommand: [x]\nenv:\n  V: >\n    exec sleep\n    1", "a:x::exec sleep 1\n"},
		"folded, a blank line":            {"id: a\ncommand: [x]\nenv:\n  V: >\n   x\n\n   y", "a:x::x\ny\n"},
		"folded, blanks last":             {"id: a\ncommand: [x]\nenv:\n  V: >-\n    x\n    y  ", "a:x::x y  \n"},
		"literal, blanks last":            {"id: a\ncommand: [x]\nenv:\n  V: |\n    x\n    y  ", "a:x::x\ny  \n"},
		"folded with CRLF":                {"id: a\r\ncommand: [x]\r\nenv:\r\n  V: >-\r\n    x\r\n    y\r\n", "a:x::x y\n"},
		"literal with CRLF":               {"id: a\r\ncommand: [x]\r\nenv:\r\n  V: |-\r\n    x\r\n    y\r\n", "a:x::x\ny\n"},
		"double quotes over lines":        {"id: a\ncommand: [x]\nenv:\n  V: \"one\n    two\n\n    three\"\n", "a:x::one two\nthree\n"},
		"double quotes over CRLF":         {"id: a\r\ncommand: [x]\r\nenv:\r\n  V: \"one\r\n    two\r\n\r\n    three\"\r\n", "a:x::one two\nthree\n"},
		"single quotes over CRLF":         {"id: a\r\ncommand: [x]\r\nenv:\r\n  V: 'one\r\n    two'\r\n", "a:x::one two\n"},
		"double quotes, joined":           {"id: a\r\ncommand: [x]\r\nenv:\r\n  V: \"one\\\r\n    two\"\r\n", "a:x::onetwo\n"},
		"plain over CRLF":                 {"id: a\r\ncommand: [x]\r\nenv:\r\n  V: one\r\n    two\r\n", "a:x::one two\n"},
		"lone CR":                         {"id: a\rcommand: [x]\rdir: /d\r", "a:x:/d:\n"},
		"plain over lines in a flow":      {"{id: a, command: [x], env: {V: one\n  two}}\n", "a:x::one two\n"},
		"a version":                       {"%YAML 1.2\n---\n" + r1, "r1:x::\n"},
		"a version, behind comments":      {"# c\r\n\r\n%YAML 1.2\r\n---\r\n" + r1, "r1:x::\n"},
		"the version before":              {"%YAML 1.1\n---\n" + r1, "r1:x::\n"},
		"a version that is a text":        {"id: a\ncommand: [x]\nenv:\n  V: |-\n    %YAML 1.2\n", "a:x::%YAML 1.2\n"},
		"a tag of a text":                 {"id: !!str a\ncommand: [!!str \"5\", !!str 5, ! 6]\n", "a:5|5|6::\n"},
		"tags that say nothing":           {"!!map\nid: a\ncommand: !!seq [x]\n", "a:x::\n"},
		"what is no number to YAML 1.2":   {"id: a\ncommand: [2024-01-01, 1:30, yes, on, =, 1.2.3, 0x, 1e, <<]\n", "a:2024-01-01|1:30|yes|on|=|1.2.3|0x|1e|<<::\n"},
		"a pair of escapes":               {`{"id": "a", "command": ["\ud83d\ude00\/\\ud83d"]}`, "a:😀/\\ud83d::\n"},
		"ends of lines to YAML 1.1":       {"{\"id\": \"a\", \"command\": [\"x \u2028 y \u0085 z\"]}", "a:x \u2028 y \u0085 z::\n"},
		"merge keys that are texts":       {`{"id": "a", "command": ["*x", "<<"], "env": {"V": "&a", "<<": "b"}}`, "a:*x|<<::&a\n"},
		"a key of many letters":           {"id: a\ncommand: [x]\nenv:\n  " + strings.Repeat("k", 250) + ": v\n  V: w\n", "a:x::w\n"},
		"what begins like a marker":       {"id: a\ncommand: [x]\nenv:\n  V: |\n   ---\n   ...\n", "a:x::---\n...\n\n"},
		"a marker and text behind it":     {"--- {id: r1, command: [x]}\n--- # c\n" + r2 + "... # d\n", both},
		"an escape at the end of a line":  {"id: a\ncommand: [\"a\\\n  b\", \"c \\\n  d\"]\n", "a:ab|c d::\n"},
		"a comment behind a literal":      {"id: a\ncommand: [x]\nenv:\n  V: |- # c\n    x # d\n# e\ndir: /d\n", "a:x:/d:x # d\n"},
		"literal with its indentation":    {"id: a\ncommand: [x]\nenv:\n  V: |2-\n      x\n     y\n", "a:x::  x\n y\n"},
		"literal with what it ends on":    {"id: a\ncommand: [x]\nenv:\n  V: |+\n    x\n\n", "a:x::x\n\n\n"},
		"a colon and a hash in the midst": {"id: a\ncommand: [a:b, c#d, 'e: f', http://x/#y]\n", "a:a:b|c#d|e: f|http://x/#y::\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := read(tt.text); err != nil || got != tt.want {
				t.Errorf("%q %v\nwant %q", got, err, tt.want)
			}
		})
	}
	got, err := readManifest("-", strings.NewReader("id: a\ncommand: [x]\nlabels: {010: a, 1_0: b}\n"))
	if err != nil || got[0].GetLabels()["010"] != "a" || got[0].GetLabels()["1_0"] != "b" {
		t.Errorf("keys that look like numbers: %v %v", got, err)
	}
}

// What could be taken for something else is refused, with its line.
func TestReadManifest_NotAsWritten(t *testing.T) {
	const r1 = "id: a\ncommand: [x]\n"
	for name, tt := range map[string]struct{ text, want string }{
		"behind empty documents":  {"---\n---\n# c\n---\n" + r1 + "colour: 1\n", `-:7:1: field "colour" is unknown`},
		"behind CRLF":             {strings.ReplaceAll("---\n---\n"+r1+"colour: 1\n", "\n", "\r\n"), `-:5:1: field "colour" is unknown`},
		"nothing but empty ones":  {"---\n---\n# c\n---\n", "-: holds no request"},
		"digits in parts":         {r1 + "priority: 1_0\n", `-:3:11: field "priority" is 1_0; allowed: a whole number, without _: 10`},
		"such a text":             {"id: a\ncommand: [1_000]\n", `-:2:11: field "command[0]" is 1_000; allowed: a string (quote it)`},
		"hexadecimal digits":      {"id: a\ncommand: [0x10]\n", `field "command[0]" is 0x10; allowed: a string (quote it)`},
		"a tag of a number":       {r1 + "priority: !!int 5\n", `-:3:11: has the tag !!int; allowed: none, or !!str`},
		"a tag of one's own":      {"!job\nid: a\ncommand: [x]\n", `-:1:1: has the tag !job; allowed: none, or !!map`},
		"bytes":                   {"id: a\ncommand: [!!binary aGk=]\n", `-:2:11: has the tag !!binary; allowed: none, or !!str`},
		"a text for a number":     {r1 + "priority: !!str 5\n", `field "priority" is "5"; allowed: a whole number`},
		"a tab before a field":    {"id: a\ncommand: [x]\nenv:\n\tA: b\n", "-:4:1: "},
		"half a pair":             {`{"id": "a", "command": ["x", "\ud83d"]}`, `-:1:30: has half a surrogate pair`},
		"the other half":          {`{"id": "a", "command": ["\\\ude00"]}`, `-:1:25: has half a surrogate pair`},
		"an end of line to some":  {"id: a\ncommand: [\"x \u2028 y\"]\n", `-:2:14: has the character U+2028; allowed: "\u2028", in double quotes`},
		"so in a comment":         {"id: a # x\u0085command: [y]\n", `-:1:10: has the character U+0085`},
		"a control character":     {"id: a\ncommand: [x\x01]\n", `-:2:12: has the character U+0001; allowed: "\u0001", in double quotes`},
		"another version":         {"%YAML 2.0\n---\n" + r1, "-:1:1: found incompatible YAML document"},
		"no end of quotes":        {"id: a\ncommand: [\"x]\ndir: /d\n", "-:2:11: found unexpected end of stream while scanning a quoted scalar"},
		"no end of a list":        {"id: a\ncommand: [x\n", "-:2:10: did not find expected ',' or ']' while parsing a flow sequence"},
		"no colon":                {"id: a\ncommand\ndir: /d\n", "-:2:1: could not find expected ':' while scanning a simple key"},
		"two colons":              {"id: a: b\n", "-:1:6: mapping values are not allowed in this context"},
		"a key twice, and merged": {"id: a\ncommand: [x]\nenv: {<<: {A: a, A: b}}\n", `-:3:18: "A" stands twice`},
		"two merges":              {"id: a\ncommand: [x]\nenv: {<<: {A: a}, <<: {B: b}}\n", "-:3:19: << stands twice"},
		"a list for a key":        {"id: a\ncommand: [x]\nenv: {? [a] : b}\n", "-:3:9: a key is a list; allowed: a text"},
		"no key":                  {"id: a\ncommand: [x]\nenv: {: b}\n", "-:3:7: a key is empty; allowed: a text"},
		"a list for a text":       {"id: a\ncommand: [[x]]\n", `-:2:11: field "command[0]" is a list; allowed: a string (quote it)`},
		"deep, and JSON":          {strings.Repeat("[", 65) + strings.Repeat("]", 65), "-:1:65: nests too deep; allowed: 64 levels"},
		"behind a document":       {r1 + "---\nid: [b\n", "-:4:5: "},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := read(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q %v\nwant %q", got, err, tt.want)
			}
		})
	}
}

// The same of files of devices, which the same reader reads.
func TestReadDevices_AsWritten(t *testing.T) {
	const a, b = "- {name: a, type: t}\n", "- {name: b, type: t}\n"
	for name, tt := range map[string]struct{ text, want string }{
		"an empty document between": {a + "---\n---\n" + b, "a b"},
		"one with a comment":        {a + "---\n# nothing\n---\n" + b, "a b"},
		"one with blanks":           {a + "--- \n---\n" + b, "a b"},
		"one with CRLF":             {strings.ReplaceAll(a+"--- # c\n---\n"+b, "\n", "\r\n"), "a b"},
		"one ended":                 {a + "---\n---\n...\n---\n" + b, "a b"},
		"an empty one first":        {"---\n# Source: a\n---\n" + a + "---\n" + b, "a b"},
		"quotes over CRLF":          {"- name: a\r\n  type: t\r\n  link: \"one\r\n    two\"\r\n", "a=one two"},
		"folded, one letter last":   {"- name: a\n  type: t\n  link: >-\n    one\n    2", "a=one 2"},
		"a tag of a text":           {"- {name: !!str a, type: t, link: !!str 5}\n", "a=5"},
		"a version":                 {"%YAML 1.2\n---\n" + a, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := readDevices("-", strings.NewReader(tt.text))
			var got []string
			for _, d := range found.Devices {
				got = append(got, strings.TrimSuffix(d.Name+"="+d.Link, "="))
			}
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("%q %v\nwant %q", got, err, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct{ text, want string }{
		"digits in parts":  {"---\n---\n- {name: a, type: t, memory_bytes: 1_0}\n", `-:3:36: field "devices[0].memory_bytes" is 1_0; allowed: a whole number of bytes, without _: 10`},
		"a tag":            {"- {name: a, type: t, numa_node: !!int 0}\n", "-:1:33: has the tag !!int; allowed: none, or !!str"},
		"an end of a line": {"- {name: a, type: t, link: \"x\u2029\"}\n", "-:1:30: has the character U+2029"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readDevices("-", strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %q", err, tt.want)
			}
		})
	}
}
