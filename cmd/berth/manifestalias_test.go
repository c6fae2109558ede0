package main

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// A file with anchors, aliases and merge keys is the file without.
func TestReadManifest_Aliases(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a mapping": {
			"- {id: a, command: [x], resources: &r {cpu_milli: 5}}\n- {id: b, command: [x], resources: *r}\n",
			"- {id: a, command: [x], resources: {cpu_milli: 5}}\n- {id: b, command: [x], resources: {cpu_milli: 5}}\n",
		},
		"scalars and lists": {
			"id: &id a\ncommand: &c [echo, *id, 'x']\nlabels: {app: *id}\npriority: &p 7\ngroup: {size: *p}\n",
			"id: a\ncommand: [echo, a, x]\nlabels: {app: a}\npriority: 7\ngroup: {size: 7}\n",
		},
		"a merge, overridden": {
			"- &a\n  id: a\n  command: [x]\n  priority: 5\n- <<: *a\n  id: b\n  priority: 6\n",
			"- {id: a, command: [x], priority: 5}\n- {id: b, command: [x], priority: 6}\n",
		},
		"a merge alone": {
			"- &a {id: a, command: [x], env: &e {A: b}}\n- id: b\n  command: [y]\n  env:\n    <<: *e\n",
			"- {id: a, command: [x], env: {A: b}}\n- {id: b, command: [y], env: {A: b}}\n",
		},
		"merges, the first counts": {
			"id: a\ncommand: [x]\nenv: {<<: [{A: a, B: b}, {B: c, C: c}], D: d}\n",
			"id: a\ncommand: [x]\nenv: {A: a, B: b, C: c, D: d}\n",
		},
		"a merge of a merge": {
			"- &a {id: a, command: [x], priority: 1}\n- &b {<<: *a, id: b, dir: /b}\n- {<<: *b, id: c}\n",
			"- {id: a, command: [x], priority: 1}\n- {id: b, command: [x], priority: 1, dir: /b}\n- {id: c, command: [x], priority: 1, dir: /b}\n",
		},
		"a request": {
			"- &a\n  id: a\n  command: [x]\n",
			"id: a\ncommand: [x]\n",
		},
		"marked again": {
			"- {id: a, command: [x], dir: &d /a}\n- {id: b, command: [x], dir: &d /b}\n- {id: c, command: [x], dir: *d}\n",
			"- {id: a, command: [x], dir: /a}\n- {id: b, command: [x], dir: /b}\n- {id: c, command: [x], dir: /b}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readManifest("-", strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			want, err := readManifest("-", strings.NewReader(tt.want))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				t.Fatalf("%d requests, want %d", len(got), len(want))
			}
			for i := range got {
				if !proto.Equal(got[i], want[i]) {
					t.Errorf("%v\nwant %v", got[i], want[i])
				}
			}
		})
	}
}

func TestReadManifest_BadAliases(t *testing.T) {
	bomb := "- {id: z, command: &a0 [" + strings.Repeat("lol, ", 9) + "lol]}\n"
	for i := range 12 {
		bomb += fmt.Sprintf("- &a%d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	for name, tt := range map[string]struct{ text, want string }{
		"another document's": {"id: a\ncommand: &c [x]\n---\nid: b\ncommand: *c\n", "-:5:10: *c stands for nothing; allowed: what &c marks before it in the same document"},
		"marked behind it":   {"id: a\ncommand: *c\ndir: &c /x\n", "*c stands for nothing"},
		"of itself":          {"id: a\ncommand: &c [x, *c]\n", "*c stands for nothing"},
		"no mapping":         {"id: a\ncommand: [x]\nenv: {<<: 5}\n", "<< is no mapping; allowed: a mapping, an alias of one, or a list of them"},
		"no such merge":      {"id: a\n<<: *x\ncommand: [x]\n", "*x stands for nothing"},
		"a bomb":             {bomb, "with its aliases written out the document is too large; allowed: at most 67108864 bytes of them"},
		"deep":               {strings.Repeat("[", 500) + strings.Repeat("]", 500), "nests too deep; allowed: 64 levels"},
		"deep sequences":     {strings.Repeat("- ", 500) + "a", "nests too deep; allowed: 64 levels"},
		"deep mappings":      {deepMappings(500), "-:65:66: nests too deep; allowed: 64 levels"},
		"deep keys":          {strings.Repeat("? ", 500) + "a", "nests too deep; allowed: 64 levels"},
		"deep in a request":  {"id: a\nlabels: " + strings.Repeat("{a: ", 200_000), "nests too deep; allowed: 64 levels"}, // in time
		"what it stands for": {"- {id: a, command: [x], retry: &r {max_attempts: 3}}\n- {id: b, command: [x], resources: *r}\n", `-:1:36: field "resources.max_attempts" is unknown`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readManifest("-", strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v %v\nwant %q", got, err, tt.want)
			}
		})
	}
}

func deepMappings(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
