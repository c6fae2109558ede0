package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
)

// bounded is the error of a number that its type cannot hold, in a message at a path, with the bound of its field.
func (m *manifest) bounded(path string, err error) error {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		return err
	}
	own := *fe
	own.Bound = cmp.Or(m.bound(strings.TrimPrefix(path+"."+fe.Field, ".")), fe.Bound)
	return &own
}

// ofRequests is the bound of a number at a path of a request, or "": who checks requests knows it, and tells it of the
// largest number.
func ofRequests(path string) string {
	r := &berthv1.Request{}
	text, err := json.Marshal(mostAt(r.ProtoReflect().Descriptor(), strings.Split(fieldOf(path), ".")))
	if err != nil || protojson.Unmarshal(text, r) != nil {
		return ""
	}
	asked := wire.ToRequest(r).Normalize()
	return boundFrom(asked.ValidateAsked(), fieldOf(path))
}

// ofDevices is ofRequests of a file of devices.
func ofDevices(path string) string {
	d := berth.Device{Name: "gpu0", Type: "h100"}
	_, name, _ := strings.Cut(path, ".")
	switch name {
	case "memory_bytes":
		d.MemoryBytes = math.MaxInt64
	case "numa_node":
		most := int64(math.MaxInt64)
		d.NUMANode = &most
	}
	return boundFrom((berth.Capacity{Devices: []berth.Device{d}}).Validate(), fieldOf(path))
}

// boundFrom is the bound by which a field was refused.
func boundFrom(err error, field string) string {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok || fieldOf(fe.Field) != field {
		return ""
	}
	return fe.Bound
}

// fieldOf is a path without indices.
func fieldOf(path string) string { return entryIndex.ReplaceAllString(path, "") }

// mostAt is an example of a message that holds the largest number of its kind at a path.
func mostAt(d protoreflect.MessageDescriptor, path []string) map[string]any {
	message := map[string]any{}
	if err := yaml.Unmarshal([]byte(exampleOf(d)), &message); err != nil {
		return nil
	}
	f := d.Fields().ByName(protoreflect.Name(path[0]))
	if f == nil {
		return nil
	}
	var value any = int64(math.MaxInt64)
	switch rest := path[1:]; {
	case f.IsMap() && len(rest) > 0:
		value = map[string]any{strings.Join(rest, "."): value}
	case f.Message() != nil && !f.IsMap() && len(rest) > 0:
		value = mostAt(f.Message(), rest)
	case f.Kind() == protoreflect.Int32Kind:
		value = math.MaxInt32
	}
	if f.IsList() {
		value = []any{value}
	}
	message[path[0]] = value
	return message
}
