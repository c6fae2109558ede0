package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

const goodManifest = `# two documents, and a list
id: a
command: [echo, "1"]
resources:
  cpu_milli: 100
  memory_bytes: 1048576
  custom: {license: 1}
  ports: [{name: http}]
  devices:
    - {types: [h100, a100], count: 2, milli: 1000}
env: {MODE: "1"}
retry: {max_attempts: 5, on_failure: true}
---
- id: b
  command: ["true"]
- id: c
  command:
    - sh
    - -c
    - |
      echo two
      echo lines
`

func TestReadManifest(t *testing.T) {
	got, err := readManifest("-", strings.NewReader(goodManifest))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].GetId() != "a" || got[2].GetCommand()[2] != "echo two\necho lines\n" {
		t.Errorf("%v", got)
	}
	if r := got[0]; r.GetResources().GetCustom()["license"] != 1 || !r.GetRetry().GetOnFailure() || r.GetResources().GetDevices()[0].GetTypes()[1] != "a100" {
		t.Errorf("%v", r)
	}
	got, err = readManifest("-", strings.NewReader(`{"id": "control", "command": ["printf", "a\u0001\t<b>"]}`))
	if err != nil || got[0].GetCommand()[1] != "a\x01\t<b>" {
		t.Errorf("control characters: %v %v", got, err)
	}
	got, err = readManifest("-", strings.NewReader(`{"id": "j", "command": ["true"], "resources": {"cpu_milli": 1}}`))
	if err != nil || got[0].GetResources().GetCpuMilli() != 1 {
		t.Errorf("JSON: %v %v", got, err)
	}
}

// A name may be as long as the file: what is told of it is not.
func TestReadManifest_LongNames(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, text := range map[string]string{
		"field":          `{"id": "a", "command": ["x"], "` + long + `": 1}`,
		"inner field":    `{"id": "a", "command": ["x"], "resources": {"` + long + `": 1}}`,
		"amount of text": `{"id": "a", "command": ["x"], "resources": {"custom": {"` + long + `": "1"}}}`,
		"amount of it":   `{"id": "a", "command": ["x"], "resources": {"custom": {"` + long + `": 1}}}`,
		"variable":       `{"id": "a", "command": ["x"], "env": {"` + long + `": 1}}`,
		"twice":          `{"id": "a", "command": ["x"], "labels": {"` + long + `": "1", "` + long + `": "1"}}`,
		"id":             `{"id": "` + long + `", "command": ["x"]}`,
		"number":         `{"id": "a", "command": ["x"], "priority": 1` + strings.Repeat("0", 1<<20) + `}`,
		"alias":          "id: a\ncommand: *" + long + "\n",
	} {
		if _, err := readManifest("-", strings.NewReader(text)); err == nil || len(err.Error()) > 1000 || !strings.HasPrefix(err.Error(), "-:") {
			t.Errorf("%s: %.1100v", name, err)
		}
	}
}

// A file in which much is wrong is told of the first of it, and how much more there is.
func TestReadManifest_MuchIsWrong(t *testing.T) {
	_, err := readManifest("-", strings.NewReader("id: a\ncommand: [x]\n"+strings.Repeat("colour: red\n", 950)+strings.Repeat("env: 1\n", 51)))
	if err == nil {
		t.Fatal("read")
	}
	lines := strings.Split(err.Error(), "\n")
	if want := "-: 1 more problem; above are the first 1000"; len(lines) != 1001 || lines[1000] != want || !strings.HasPrefix(lines[999], "-:1002:1: ") {
		t.Errorf("%d lines, the last %q; want 1001 and %q", len(lines), lines[len(lines)-1], want)
	}
}

// Whatever way of writing several requests: the same come of it, and what is wrong is found at its place.
func TestReadManifest_Stream(t *testing.T) {
	const one, two = `{"id": "a", "command": ["echo", "\u00e4 {"]}`, `{"id": "b", "command": ["true"]}`
	for name, text := range map[string]string{
		"JSON Lines":                one + "\n" + two + "\n",
		"blank lines, CRLF":         "\r\n" + one + "\r\n\r\n" + two,
		"as jq writes":              "{\n  \"id\": \"a\",\n  \"command\": [\"echo\", \"\\u00e4 {\"]\n}\n{\n  \"id\": \"b\",\n  \"command\": [\"true\"]\n}\n",
		"on one line":               one + two,
		"lists":                     "[" + one + "]\n[" + two + "]\n",
		"an array":                  "[" + one + ", " + two + "]",
		"documents of YAML":         one + "\n---\n" + two + "\n",
		"with a byte order mark":    "\ufeff" + one + "\n" + two,
		"YAML, and that mark":       "\ufeffid: a\ncommand: [echo, \"ä {\"]\n---\nid: b\ncommand: [\"true\"]\n",
		"a comment, and that mark":  "\ufeff# two\nid: a\ncommand: [echo, \"ä {\"]\n---\nid: b\ncommand: [\"true\"]\n",
		"what only YAML has, first": "{id: a, command: [echo, \"ä {\"]}\n---\n" + two,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readManifest("-", strings.NewReader(text))
			if err != nil || len(got) != 2 || got[0].GetId() != "a" || got[0].GetCommand()[1] != "ä {" || got[1].GetId() != "b" {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	for name, tt := range map[string]struct{ text, want string }{
		"an unknown field":    {one + "\n" + `{"id": "b", "command": ["x"], "colour": 1}`, `-:2:31: field "colour" is unknown`},
		"behind another":      {one + "  " + `{"id": "b", "colour": 1}`, `-:1:59: field "colour" is unknown`},
		"the same id":         {one + "\n\n" + one, `-:3:1: id "a" stands in line 1 already`},
		"no JSON further on":  {one + "\n" + two + "\n{\"id\": oops}\n", "-:3:8: invalid character 'o' looking for beginning of value"},
		"an end too soon":     {one + "\n" + `{"id": "b"`, "-:2:11: unexpected end of JSON input"},
		"no request":          {one + "\n3\n", "-:2:1: a request is no mapping"},
		"no UTF-8":            {"id: a\ncommand: [\"a\xff\"]\n", "is not UTF-8 in line 2; allowed: UTF-8"},
		"UTF-16":              {"\xff\xfei\x00d\x00", "is UTF-16; allowed: UTF-8"},
		"a mark further down": {"id: a\n\ufeffcommand: [x]\n", "-:2:1: field"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := readManifest("-", strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v %v, want %q", got, err, tt.want)
			}
		})
	}
}

// Of each number of a request a bound is known, by who checks it.
func TestOfRequests(t *testing.T) {
	t.Parallel()
	var all func(d protoreflect.MessageDescriptor, path string)
	all = func(d protoreflect.MessageDescriptor, path string) {
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			at := path + string(f.Name())
			switch {
			case f.IsMap() && f.MapValue().Kind() == protoreflect.Int64Kind:
				at += ".x"
			case f.Message() != nil && !f.IsMap():
				all(f.Message(), at+".")
				continue
			case f.Kind() != protoreflect.Int32Kind && f.Kind() != protoreflect.Int64Kind:
				continue
			}
			if ofRequests(at) == "" {
				t.Errorf("%s: none", at)
			}
		}
	}
	all((&berthv1.Request{}).ProtoReflect().Descriptor(), "")
}

func TestReadManifest_Bad(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":              {"", "holds no request"},
		"only a comment":     {"# nothing\n", "holds no request"},
		"no YAML":            {"id: [a\n", "-:1:"},
		"no mapping":         {"just text", "-:1:1: a request is no mapping; allowed: a mapping: {id: hello, command: [sleep, \"5\"]}"},
		"unknown field":      {"id: a\ncommand: [x]\ncolour: red\n", `-:3:1: field "colour" is unknown; a request has: id, tenant`},
		"unknown inside":     {"id: a\ncommand: [x]\nresources:\n  cpu: 1\n", `-:4:3: field "resources.cpu" is unknown; resources has: cpu_milli`},
		"field twice":        {"id: a\nid: b\ncommand: [x]\n", "-:2:1:"},
		"number for text":    {"id: a\ncommand: [1]\n", `-:2:11: field "command[0]" is 1; allowed: a string`},
		"text for number":    {"id: a\ncommand: [x]\nresources: {cpu_milli: \"100\"}\n", `field "resources.cpu_milli" is "100"; allowed: a whole number`},
		"a fraction":         {"id: a\ncommand: [x]\nresources: {cpu_milli: 0.5}\n", "allowed: a whole number"},
		"overflow":           {"id: a\ncommand: [x]\nresources: {cpu_milli: 99999999999999999999}\n", `-:3:24: field "resources.cpu_milli" is 99999999999999999999; allowed: 0 to 1000000000`},
		"beyond, in a list":  {"id: a\ncommand: [x]\nresources: {devices: [{types: [t4], count: 99999999999999999999}]}\n", "is 99999999999999999999; allowed: 1 to 64"},
		"beyond, by a name":  {"id: a\ncommand: [x]\nresources: {custom: {a.b: 99999999999999999999}}\n", "is 99999999999999999999; allowed: 0 to 1000000000000000"},
		"a unit":             {"id: a\ncommand: [x]\nrun_limit_ms: 5m\n", "-:3:15: field \"run_limit_ms\" is 5m; allowed: a whole number of milliseconds"},
		"no part":            {"id: a\ncommand: [x]\nresources:\n  devices:\n    - {types: [t4], milli: 0}\n", `-:5:28: resources.devices[0].milli "0" is too small; allowed: 1 to 1000`},
		"no device":          {"id: a\ncommand: [x]\nresources:\n  devices:\n    - {types: [t4], count: 0}\n", `-:5:28: resources.devices[0].count "0" is too small; allowed: 1 to 64`},
		"below none":         {"id: a\ncommand: [x]\nresources:\n  devices:\n    - {types: [t4], count: -1}\n", `resources.devices[0].count "-1" is negative; allowed: 1 to 64`},
		"beyond 32 bits":     {"id: a\ncommand: [x]\npriority: 4294967301\n", `-:3:11: priority "4294967301" is out of range; allowed: 0 to 1000`},
		"beyond 64 bits":     {"id: a\ncommand: [x]\nretry:\n  backoff_ms: 9223372036854775808\n", `-:4:15: retry.backoff_ms "9223372036854775808" is out of range; allowed: 1 to 60000`},
		"no attempts":        {"id: a\ncommand: [x]\nretry: {max_attempts: 0}\n", `-:3:23: retry.max_attempts "0" is too small; allowed: 1 to 100`},
		"no backoff":         {"id: a\ncommand: [x]\nretry:\n  backoff_ms: 0x0\n", `-:4:15: retry.backoff_ms "0" is too small; allowed: 1 to 60000`},
		"no stop timeout":    {"id: a\ncommand: [x]\nstop_timeout_ms: -0\n", `stop_timeout_ms "0" is too small; allowed: 1 to 3600000`},
		"no start timeout":   {`{"id": "a", "command": ["x"], "start_timeout_ms": 0}`, `start_timeout_ms "0" is too small; allowed: 100 to 31536000000`},
		"no skew":            {"id: a\ncommand: [x]\nspread:\n  - {requests: {label: app}, max_skew: 0}\n", `-:4:40: spread[0].max_skew "0" is too small; allowed: 1 to 10000`},
		"none of a group":    {"id: a\ncommand: [x]\ngroup: {size: 2, min_count: 0}\n", `group.min_count "0" is too small; allowed: 1 to group.size`},
		"negative":           {"id: a\ncommand: [x]\nresources:\n  cpu_milli: -1\n", `resources.cpu_milli "-1" is negative; allowed: 0 to`},
		"empty field":        {"id: a\ncommand: [x]\nenv:\n", `field "env" is empty`},
		"list for mapping":   {"id: a\ncommand: [x]\nenv: [a]\n", `-:3:6: field "env" is no mapping; allowed: a mapping: {NAME: value, COUNT: "5"}`},
		"mapping for list":   {"id: a\ncommand: {a: b}\n", `-:2:10: field "command" is no list; allowed: a list: [sleep, "5"]`},
		"a text for a list":  {"id: a\ncommand: sleep 5\n", `field "command" is no list; allowed: a list: [sleep, "5"]`},
		"a device alone":     {"id: a\ncommand: [x]\nresources: {devices: {count: 2}}\n", `field "resources.devices" is no list; allowed: a list: [{types: [h100], count: 2}]`},
		"a group's size":     {"id: a\ncommand: [x]\ngroup: 4\n", `group is no mapping; allowed: a mapping: {size: 4}`},
		"id in capitals":     {"id: BIG\ncommand: [x]\n", "-:1:"},
		"octal, or not":      {"id: a\ncommand: [x]\npriority: 010\n", `-:3:11: field "priority" is 010; allowed: no 0 before a number, which some read as octal: 10 for a decimal one`},
		"no octal digit":     {"id: a\ncommand: [x]\npriority: 09\n", `field "priority" is 09; allowed: no 0 before a number`},
		"an exponent":        {"id: a\ncommand: [x]\npriority: 1e2\n", `field "priority" is 1e2; allowed: a whole number, without a point or an exponent: 100`},
		"a point":            {"id: a\ncommand: [x]\nresources: {memory_bytes: 5.0}\n", `field "resources.memory_bytes" is 5.0; allowed: a whole number of bytes, without a point or an exponent: 5`},
		"no end":             {"id: a\ncommand: [x]\nretry: {on: []}\n", `-:3:13: retry.on is empty; allowed: failure, lost, start_failed, oom; without the field, lost and start_failed`},
		"an end twice":       {"id: a\ncommand: [x]\nretry: {on: [lost, oom, lost]}\n", `-:3:25: retry.on[2] "lost" stands twice; allowed: each once`},
		"a type twice":       {"id: a\ncommand: [x]\nresources: {devices: [{types: [h100, h100]}]}\n", `resources.devices[0].types[1] "h100" stands twice; allowed: each once`},
		"a type in capitals": {"id: a\ncommand: [x]\nresources: {devices: [{types: [H100]}]}\n", `types "H100" has a character that is not allowed; allowed: 1 to 128 characters of [a-z0-9._-], the first a letter or digit: h100`},
		"an empty tenant":    {"id: a\ncommand: [x]\ntenant: ''\n", `-:3:9: tenant is empty; allowed: 1 to 128 characters`},
		"an empty topology":  {"id: a\ncommand: [x]\nspread: [{requests: {label: a}, topology: ''}]\n", `spread[0].topology is empty; allowed: 1 to 256 bytes`},
		"a weight too large": {"id: a\ncommand: [x]\naffinity: [{requests: {label: a}, weight: 101}]\n", `affinity[0].weight "101" is too large; allowed: 1 to 100`},
		"no id":              {"command: [x]\n", "id is"},
		"another's group":    {"id: a\ncommand: [x]\ngroup: {size: 2, id: other}\n", `group.id "other" is not the request's id; allowed: nothing, or the id`},
		"a group on a host":  {"id: a\ncommand: [x]\ngroup: {size: 2, topology: host}\n", `group.topology "host" is no label; allowed: a label that workers have`},
		"a successor":        {"id: a\ncommand: [x]\nreplaces: b\n", `replaces "b" is given`},
		"no command":         {"id: a\n", "command"},
		"the same id twice":  {"id: a\ncommand: [x]\n---\nid: a\ncommand: [y]\n", `-:4:`},
		"bad operator":       {"id: a\ncommand: [x]\nconstraints:\n  - {label: zone, operator: like, values: [a]}\n", "operator"},
		"too deep":           {strings.Repeat("group: {", 40) + strings.Repeat("}", 40), "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readManifest("-", strings.NewReader(tt.text))
			if err == nil {
				t.Fatalf("taken: %v", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %q", err, tt.want)
			}
		})
	}
}

// All that is wrong in a file is told at once, each with its place.
func TestReadManifest_AllAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(path, []byte("id: a\ncommand: [x]\nfoo: 1\n---\nid: b\ncommand: [x]\nbar: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readManifest(path, nil)
	for _, want := range []string{path + ":3:1: ", path + ":7:1: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := readManifest("/no/such/file", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add(goodManifest)
	f.Add(`{"id": "j", "command": ["true"]}`)
	f.Add("id: a\ncommand: &x [a]\nenv: *x\n")
	f.Add("? a\n: b\n")
	f.Add("- &a {id: a, command: &c [x], env: &e {A: b}}\n- {<<: *a, id: b, env: {<<: [*e, {C: d}], A: c}}\n")
	f.Add("<<: *a\n*b : &b c\n&c d: *c\n")
	f.Add("{\"id\": \"j\", \"command\": [\"true\"]}\n{\"id\": \"k\"}\n[]")
	f.Add("\ufeffid: a\n")
	f.Add("id: a\ncommand: [x]\nresources: {devices: [{types: [h100], count: 2}, {milli: 500}, {}]}\n")
	f.Add("<<: {id: a}\ncommand: [x]\n")
	f.Add("%YAML 1.2\n--- # c\n---\nid: !!str a\ncommand:\n- >-\n x\n y\r\n- \"a\tb\r\n c\"\n...\n---\n{\"id\": \"\\ud83d\\ude00\"}")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readManifest("-", strings.NewReader(text))
		if err == nil && len(got) == 0 {
			t.Error("neither requests nor an error")
		}
	})
}
