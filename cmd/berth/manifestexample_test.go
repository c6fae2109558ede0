package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Whatever of a request is no list or no mapping, what is shown instead can be read there.
func TestManifest_Examples(t *testing.T) {
	used := map[protoreflect.FullName]bool{"berth.v1.Device": true}
	read := func(text string) {
		t.Helper()
		if !strings.HasPrefix(text, "{id:") {
			text = "{id: a, command: [x], " + text + "}"
		}
		if _, err := readManifest("-", strings.NewReader(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	// in puts what stands in a field where the field is.
	var walk func(d protoreflect.MessageDescriptor, in func(string) string)
	walk = func(d protoreflect.MessageDescriptor, in func(string) string) {
		used[d.FullName()] = true
		read(in(exampleOf(d)))
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			name, message := string(f.Name()), f.Message() != nil && !f.IsMap()
			at := func(text string) string { return in("{" + name + ": " + text + "}") }
			switch d.FullName() { // what stands beside it
			case "berth.v1.Request":
				at = func(text string) string { return name + ": " + text }
				if name == "command" {
					at = func(text string) string { return "{id: a, command: " + text + "}" }
				}
			case "berth.v1.Constraint":
				at = func(text string) string { return in("{label: disk, operator: in, " + name + ": " + text + "}") }
			case "berth.v1.Affinity":
				at = func(text string) string { return in("{weight: 5, " + name + ": " + text + "}") }
			}
			if f.IsList() || f.IsMap() {
				if exampleIn(f) == "" {
					t.Errorf("%s has no example", f.FullName())
				}
				used[f.FullName()] = true
				read(at(exampleIn(f)))
			}
			if message {
				element := at
				if f.IsList() {
					element = func(text string) string { return at("[" + text + "]") }
				}
				walk(f.Message(), element)
			}
		}
	}
	walk((&berthv1.Request{}).ProtoReflect().Descriptor(), func(text string) string { return text })
	for name := range examples {
		if !used[name] {
			t.Errorf("%s is no field that a file may have", name)
		}
	}
	if got, err := readDevices("-", strings.NewReader("- "+examples["berth.v1.Device"])); err != nil || len(got.Devices) != 1 {
		t.Errorf("%v %v", got, err)
	}
}
