package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
)

// printPlain writes what is no message of the API.
func printPlain(w io.Writer, v any) error {
	b, err := json.MarshalIndent(withLists(v), "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = fmt.Fprintf(asIs(w), "%s\n", b)
	return err
}

// withLists is a copy of a value whose lists and maps are there, if empty, wherever they were
// nil: who reads JSON goes through a list without asking whether there is one.
func withLists(v any) any {
	if v == nil {
		return nil
	}
	return filled(reflect.ValueOf(v)).Interface()
}

// ownJSON are the types that write themselves.
var ownJSON = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()}

func filled(v reflect.Value) reflect.Value {
	t := v.Type()
	for _, own := range ownJSON {
		if t.Implements(own) {
			return v
		}
	}
	out := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		inner := filled(v.Elem())
		if t.Kind() == reflect.Interface {
			out.Set(inner)
			break
		}
		out.Set(reflect.New(t.Elem()))
		out.Elem().Set(inner)
	case reflect.Struct:
		out.Set(v)
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				out.Field(i).Set(filled(v.Field(i)))
			}
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // text, and no list
			return v
		}
		out.Set(reflect.MakeSlice(t, v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(filled(v.Index(i)))
		}
	case reflect.Map:
		out.Set(reflect.MakeMapWithSize(t, v.Len()))
		for _, k := range v.MapKeys() {
			out.SetMapIndex(k, filled(v.MapIndex(k)))
		}
	default:
		return v
	}
	return out
}
