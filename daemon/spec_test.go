package daemon

import (
	"reflect"
	"testing"

	"github.com/berthd/berth"
)

// Requests that differ in any field but the id share nothing.
func TestAlike_EveryField(t *testing.T) {
	t.Parallel()
	whole := func() *berth.Request {
		r := &berth.Request{}
		fill(reflect.ValueOf(r).Elem())
		return r
	}
	n := 0
	for change := true; change; n++ {
		r, at := whole(), n
		change = alter(reflect.ValueOf(r).Elem(), &at)
		if want := !change || r.ID != whole().ID; alike(r, whole()) != want {
			t.Errorf("change %d: alike %t, want %t: %+v", n, !want, want, r)
		}
	}
	if n < 35 {
		t.Errorf("%d fields were changed", n)
	}
}

// fill gives every field a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(k)
		fill(e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(7)
	}
}

// alter changes the nth value of what fill has made, and says whether there is one.
func alter(v reflect.Value, n *int) bool {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if alter(v.Field(i), n) {
				return true
			}
		}
		return false
	case reflect.Pointer:
		return alter(v.Elem(), n)
	case reflect.Slice:
		return alter(v.Index(0), n)
	case reflect.Map:
		k := v.MapKeys()[0]
		e := reflect.New(v.Type().Elem()).Elem()
		e.Set(v.MapIndex(k))
		if alter(e, n) {
			v.SetMapIndex(k, e)
			return true
		}
		return false
	}
	if *n--; *n >= 0 {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("y")
	case reflect.Bool:
		v.SetBool(false)
	default:
		v.SetInt(8)
	}
	return true
}

// What no request uses any more is not kept.
func TestSpecs_Dropped(t *testing.T) {
	t.Parallel()
	s := newSpecs()
	a := s.take(&berth.Request{ID: "a", Image: "x"})
	if b := s.take(&berth.Request{ID: "b", Image: "x"}); a != b {
		t.Error("equal requests are kept twice")
	}
	if c := s.take(&berth.Request{ID: "a", Image: "y"}); a == c {
		t.Error("different requests are kept as one")
	}
	s.drop(a)
	s.drop(a)
	if len(s.of) != 1 {
		t.Errorf("%d are kept, want 1", len(s.of))
	}
}
