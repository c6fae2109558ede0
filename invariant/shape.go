package invariant

import (
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strict reads exactly the documented names, none missing, and no null. The
// library itself demands that a name is in its case and stands once, that all is
// UTF-8, and that nothing follows the value.
var strict = json.WithUnmarshalers(json.UnmarshalFromFunc(readStrictly))

// readStrictly is asked before the library reads a value, of whatever type; with
// errors.ErrUnsupported it leaves the value to the library.
func readStrictly(dec *jsontext.Decoder, target any) error {
	switch dec.PeekKind() {
	case jsontext.KindNull:
		return errors.New("is null")
	case jsontext.KindBeginObject:
		v := reflect.ValueOf(target).Elem()
		if s := shapes[v.Type()]; s != nil {
			return s.read(dec, v)
		}
	}
	return errors.ErrUnsupported
}

// shape is the JSON object of a struct; the fields of an embedded struct are the
// outer one's own.
type shape struct {
	names    []string // of the fields, in order
	fields   map[string]field
	required uint64 // the bits of those that must be there
}

type field struct {
	index []int // where it is in the struct
	bit   uint64
}

// read reads the object that comes next into a struct.
func (s *shape) read(dec *jsontext.Decoder, into reflect.Value) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	missing := s.required
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		f, known := s.fields[name.String()]
		if !known {
			return &json.SemanticError{JSONPointer: dec.StackPointer(), Err: errors.New("is unknown")}
		}
		missing &^= f.bit
		if err := json.UnmarshalDecode(dec, into.FieldByIndex(f.index).Addr().Interface()); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if missing != 0 {
		name := s.names[bits.TrailingZeros64(missing)]
		return &json.SemanticError{JSONPointer: dec.StackPointer().AppendToken(name), Err: errors.New("is missing")}
	}
	return nil
}

// shapes has every struct that records are made of.
var shapes = func() map[reflect.Type]*shape {
	out := map[reflect.Type]*shape{}
	for _, t := range recordTypes {
		addShape(out, t)
	}
	return out
}()

func addShape(out map[reflect.Type]*shape, t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		addShape(out, t.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	if t == reflect.TypeFor[spec]() {
		t = reflect.TypeFor[request]() // what its UnmarshalJSON reads
	}
	if out[t] != nil || t == reflect.TypeFor[time.Time]() {
		return
	}
	s := &shape{fields: map[string]field{}}
	out[t] = s
	for _, f := range reflect.VisibleFields(t) {
		if label, options, _ := strings.Cut(f.Tag.Get("json"), ","); label != "" {
			s.add(label, f.Index, !strings.Contains(options, "omit"))
			addShape(out, f.Type)
		}
	}
}

func (s *shape) add(name string, index []int, required bool) {
	f := field{index: index, bit: 1 << len(s.names)}
	if f.bit == 0 {
		panic("a record has more fields than there are bits")
	}
	s.names = append(s.names, name)
	s.fields[name] = f
	if required {
		s.required |= f.bit
	}
}

// problemOf says of what is refused which field is wrong. The library's own text
// is worded otherwise from one process to the next.
func problemOf(err error) string {
	bad, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return err.Error()
	}
	if bad.JSONPointer == "" {
		return "is no JSON object"
	}
	field := strings.Join(slices.Collect(bad.JSONPointer.Tokens()), ".")
	if bad.Err == nil {
		return fmt.Sprintf("field %q is of another type", field)
	}
	return fmt.Sprintf("field %q: %v", field, bad.Err)
}
