package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/berthd/berth"
)

// NumberError says which number in the JSON of a message cannot be one of its field, and
// what could: protojson, which has refused it, names no bound. Nil: it was something else.
func NumberError(text []byte, d protoreflect.MessageDescriptor) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	if fe := wrongNumber(value, d, ""); fe != nil {
		return fe
	}
	return nil
}

// wrongNumber is the first of a message's numbers that is wrong, by the order of its fields.
func wrongNumber(value any, d protoreflect.MessageDescriptor, prefix string) *berth.FieldError {
	fields, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		v, there := fields[f.TextName()]
		if !there {
			v = fields[f.JSONName()]
		}
		if fe := wrongIn(v, f, prefix+f.TextName()); fe != nil {
			return fe
		}
	}
	return nil
}

func wrongIn(value any, f protoreflect.FieldDescriptor, at string) *berth.FieldError {
	switch v := value.(type) {
	case map[string]any:
		switch {
		case f.Message() == nil:
			return nil // another type altogether
		case !f.IsMap():
			return wrongNumber(v, f.Message(), at+".")
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if fe := wrongIn(v[key], f.MapValue(), at+"."+key); fe != nil {
				return fe
			}
		}
	case []any:
		for i := range v {
			if fe := wrongIn(v[i], f, fmt.Sprintf("%s[%d]", at, i)); fe != nil {
				return fe
			}
		}
	case json.Number:
		return wrongScalar(v.String(), f.Kind(), at)
	case string: // as protojson writes 64 bits
		return wrongScalar(v, f.Kind(), at)
	}
	return nil
}

func wrongScalar(text string, kind protoreflect.Kind, at string) *berth.FieldError {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	switch kind {
	case protoreflect.Int32Kind:
		low, high = math.MinInt32, math.MaxInt32
	case protoreflect.Int64Kind:
	default:
		return nil
	}
	wrong := &berth.FieldError{Field: at, Value: berth.Clip(text, 64), Problem: "is out of range", Bound: fmt.Sprintf("%d to %d", low, high)}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < low || n > high {
			return wrong
		}
		return nil
	}
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && !math.IsInf(x, 0):
		wrong.Problem = "is no number"
	case x >= float64(low) && x < -float64(math.MinInt64) && x <= float64(high):
		if x == math.Trunc(x) {
			return nil // as 1e3
		}
		wrong.Problem = "is no whole number"
	}
	return wrong
}
