package invariant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// checkShape demands of a value what encoding/json does not: exactly the
// documented names, in their case, each once, none missing, no null, nothing
// after the value, and UTF-8.
func checkShape(value []byte, t reflect.Type) error {
	if !utf8.Valid(value) {
		return errors.New("is not UTF-8")
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(value))}
	w.dec.UseNumber()
	if err := w.value(t, ""); err != nil {
		return err
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

type walker struct{ dec *json.Decoder }

func (w walker) value(t reflect.Type, path string) error {
	token, err := w.dec.Token()
	if err != nil {
		return fmt.Errorf("is no JSON at %q: %w", path, err)
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[spec]() {
		t = reflect.TypeFor[request]()
	}
	switch {
	case token == nil:
		return fmt.Errorf("field %q is null", path)
	case t == reflect.TypeFor[time.Time](), t.Kind() != reflect.Struct && t.Kind() != reflect.Map && t.Kind() != reflect.Slice:
		if _, nested := token.(json.Delim); nested {
			return fmt.Errorf("field %q is an object or a list", path)
		}
		return nil
	case t.Kind() == reflect.Slice && token == json.Delim('['):
		for i := 0; w.dec.More(); i++ {
			if err := w.value(t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case t.Kind() != reflect.Slice && token == json.Delim('{'):
		if err := w.object(t, path); err != nil {
			return err
		}
	default:
		return fmt.Errorf("field %q is of another type", path)
	}
	_, err = w.dec.Token() // the closing bracket
	return err
}

func (w walker) object(t reflect.Type, path string) error {
	var fields map[string]field
	if t.Kind() == reflect.Struct {
		fields = shapes[t]
	}
	seen := map[string]bool{}
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		key := fmt.Sprint(token)
		at := strings.TrimPrefix(path+"."+key, ".")
		if seen[key] {
			return fmt.Errorf("field %q stands twice", at)
		}
		seen[key] = true
		var elem reflect.Type
		if fields == nil {
			elem = t.Elem()
		} else if f, known := fields[key]; known {
			elem = f.typ
		} else {
			return fmt.Errorf("field %q is unknown", at)
		}
		if err := w.value(elem, at); err != nil {
			return err
		}
	}
	for key, f := range fields {
		if f.required && !seen[key] {
			return fmt.Errorf("field %q is missing", strings.TrimPrefix(path+"."+key, "."))
		}
	}
	return nil
}

// field is one JSON field of a struct.
type field struct {
	typ      reflect.Type
	required bool
}

// shapes has the JSON fields of every struct that records are made of; those of
// an embedded struct are the outer one's own.
var shapes = func() map[reflect.Type]map[string]field {
	out := map[reflect.Type]map[string]field{}
	for _, t := range recordTypes {
		addShape(out, t)
	}
	return out
}()

func addShape(out map[reflect.Type]map[string]field, t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		addShape(out, t.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	if t == reflect.TypeFor[spec]() {
		t = reflect.TypeFor[request]()
	}
	if _, done := out[t]; done || t == reflect.TypeFor[time.Time]() {
		return
	}
	fields := map[string]field{}
	out[t] = fields
	for _, f := range reflect.VisibleFields(t) {
		label, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if label == "" {
			continue
		}
		fields[label] = field{typ: f.Type, required: !strings.Contains(options, "omit")}
		addShape(out, f.Type)
	}
}
