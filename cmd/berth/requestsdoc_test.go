package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Every field of a request has a row in docs/requests.md, and every example there
// is taken.
func TestRequestsDoc(t *testing.T) {
	b, err := os.ReadFile("../../docs/requests.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	var check func(d protoreflect.MessageDescriptor, path string)
	check = func(d protoreflect.MessageDescriptor, path string) {
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			name := path + string(f.Name())
			if slices.Contains([]string{"resources", "constraints", "tolerations", "affinity", "spread"}, name) {
				if !strings.Contains(doc, "`"+name+"`") { // a section of its own
					t.Errorf("docs/requests.md says nothing of `%s`", name)
				}
			} else if !strings.Contains(doc, "\n| `"+name+"` |") {
				t.Errorf("docs/requests.md has no row of `%s`", name)
			}
			if f.Kind() == protoreflect.MessageKind && !f.IsMap() && name != "anti_affinity" {
				if f.IsList() {
					name += "[]"
				}
				check(f.Message(), name+".")
			}
		}
	}
	check((&berthv1.Request{}).ProtoReflect().Descriptor(), "")
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(doc, -1)
	if len(examples) < 3 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, m := range examples {
		if _, err := readManifest("-", strings.NewReader(m[1])); err != nil {
			t.Errorf("%v in\n%s", err, m[1])
		}
	}
}
