package plainjson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// form is how the values of a type are written.
type form int

const (
	formString form = iota
	formInt
	formUint
	formBool
	formText    // a string, which the type reads itself
	formLiteral // a string, which the type reads itself with its quotes
	formPointer
	formSlice
	formMap
	formStruct
)

// shape is what is known of a type before anything is read.
type shape struct {
	form   form
	typ    reflect.Type
	elem   *shape  // of a pointer, slice or map
	fields []field // of a struct, in their order
	needed uint64  // the fields that must be there, by their bits
	raw    bool    // it implements RawTaker
}

type field struct {
	name  string
	index []int
	shape *shape
}

// RawTaker is a struct that wants the very bytes it was read from, which it must
// not keep. Its fields are filled before.
type RawTaker interface{ TakeRaw(raw []byte) }

var (
	textType    = reflect.TypeFor[encoding.TextUnmarshaler]()
	literalType = reflect.TypeFor[json.Unmarshaler]()
	rawType     = reflect.TypeFor[RawTaker]()
)

// maxFields is how many fields a struct may have: one bit each.
const maxFields = 64

// shaper makes shapes, one of a type.
type shaper struct {
	done  map[reflect.Type]*shape
	whole bool
}

func (m *shaper) of(t reflect.Type) *shape {
	if s := m.done[t]; s != nil {
		return s
	}
	s := &shape{typ: t, raw: reflect.PointerTo(t).Implements(rawType)}
	m.done[t] = s
	own := reflect.PointerTo(t)
	switch {
	case s.raw && t.Kind() == reflect.Struct:
		m.structure(s)
	case t == reflect.TypeFor[time.Time]():
		s.form = formLiteral
	case own.Implements(literalType):
		panic(fmt.Sprintf("plainjson: %s reads itself", t))
	case own.Implements(textType):
		s.form = formText
	default:
		m.builtin(s)
	}
	return s
}

func (m *shaper) builtin(s *shape) {
	switch t := s.typ; t.Kind() {
	case reflect.String:
		s.form = formString
	case reflect.Int, reflect.Int32, reflect.Int64:
		s.form = formInt
	case reflect.Uint64:
		s.form = formUint
	case reflect.Bool:
		s.form = formBool
	case reflect.Pointer:
		s.form, s.elem = formPointer, m.of(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			panic(fmt.Sprintf("plainjson: %s is written in base64", t))
		}
		s.form, s.elem = formSlice, m.of(t.Elem())
	case reflect.Map:
		if k := m.of(t.Key()); k.form != formString {
			panic(fmt.Sprintf("plainjson: the keys of %s are no strings", t))
		}
		s.form, s.elem = formMap, m.of(t.Elem())
	case reflect.Struct:
		m.structure(s)
	default:
		panic(fmt.Sprintf("plainjson: %s has no plain form", t))
	}
}

// structure takes the fields of embedded structs for the outer one's own, as
// encoding/json does.
func (m *shaper) structure(s *shape) {
	s.form = formStruct
	seen := map[string]bool{}
	for _, f := range reflect.VisibleFields(s.typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			if f.IsExported() && !f.Anonymous || f.Anonymous && f.Type.Kind() != reflect.Struct {
				panic(fmt.Sprintf("plainjson: field %s of %s has no name", f.Name, s.typ))
			}
			continue
		}
		if seen[name] || options == "string" {
			panic(fmt.Sprintf("plainjson: field %s of %s", f.Name, s.typ))
		}
		seen[name] = true
		if m.whole && !strings.Contains(options, "omit") {
			s.needed |= 1 << len(s.fields)
		}
		s.fields = append(s.fields, field{name: name, index: f.Index, shape: m.of(f.Type)})
	}
	if len(s.fields) > maxFields {
		panic(fmt.Sprintf("plainjson: %s has %d fields; at most %d", s.typ, len(s.fields), maxFields))
	}
}
