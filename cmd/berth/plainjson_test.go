package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/berthd/berth/bench"
	"github.com/berthd/berth/daemon/backup"
	"github.com/berthd/berth/sim"
)

// Whatever verbs write as JSON that is no message of the API, which leaves out what is empty: no
// list or map of it is null, however deep.
func TestPrintPlain_NoNullLists(t *testing.T) {
	for _, v := range []any{
		forecast{},
		[]*sim.TraceResult{},
		packingReport{},
		fsckSummary{},
		backup.Info{},
		bench.Report{},
		bench.GroupReport{},
		bench.RunReport{},
		bench.StartReport{},
	} {
		typ := reflect.TypeOf(v)
		t.Run(typ.String(), func(t *testing.T) {
			var out bytes.Buffer
			if err := printPlain(&out, populated(typ, 0).Interface()); err != nil {
				t.Fatal(err)
			}
			var got any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			nulls(t, typ, got, typ.Name())
		})
	}
	if got := withLists(nil); got != nil {
		t.Errorf("of nothing comes %v", got)
	}
	was := &forecast{}
	if withLists(was); was.Outcomes != nil {
		t.Error("what is written was changed by that")
	}
}

// populated is a value of a type whose pointers point to something, and whose outer lists have one
// element, in which lists are nil.
func populated(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		if depth < 8 {
			v.Set(reflect.New(t.Elem()))
			v.Elem().Set(populated(t.Elem(), depth+1))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() && !ownsJSON(t) {
				v.Field(i).Set(populated(t.Field(i).Type, depth+1))
			}
		}
	case reflect.Slice:
		if depth < 2 {
			v.Set(reflect.Append(v, populated(t.Elem(), depth+1)))
		}
	}
	return v
}

func ownsJSON(t reflect.Type) bool {
	return t.Implements(ownJSON[0]) || t.Implements(ownJSON[1])
}

// nulls finds lists and maps of a type that are null in its JSON.
func nulls(t *testing.T, typ reflect.Type, got any, path string) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer:
		if got != nil {
			nulls(t, typ.Elem(), got, path)
		}
	case reflect.Slice, reflect.Map:
		if got == nil {
			t.Errorf("%s is null", path)
		}
		if list, ok := got.([]any); ok {
			for _, x := range list {
				nulls(t, typ.Elem(), x, path+"[]")
			}
		}
	case reflect.Struct:
		fields, ok := got.(map[string]any)
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if value, there := fields[name]; ok && there {
				nulls(t, f.Type, value, path+"."+name)
			}
		}
	}
}

// The same of what the verbs themselves write where there is nothing.
func TestVerbs_NoNullLists(t *testing.T) {
	withLocal(t, func(s *shell) {
		for _, args := range [][]string{
			{"plan", "-o", "json"},
			{"list", "-o", "json"},
			{"list", "--all", "-o", "json"},
			{"groups", "-o", "json"},
			{"tenants", "-o", "json"},
			{"brake", "-o", "json"},
			{"workers", "--pool", "none", "-o", "json"},
			{"workers", "-o", "json"},
			{"pools", "-o", "json"},
			{"status", "-o", "json"},
			{"version", "--daemon", "-o", "json"},
			{"fsck", "-o", "json"},
		} {
			r := s.do(args...)
			if r.code != exitGood || strings.Contains(r.out, "null") || !json.Valid([]byte(r.out)) {
				t.Errorf("berth %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
			}
		}
		s.want(exitGood, `"outcomes": []`, "plan", "-o", "json")
		if r := s.do("devices", "--devices", "none", "-o", "json"); r.code != exitGood || r.out != "" { // an object a line
			t.Errorf("berth devices of none: exit %d\n%s", r.code, r.out)
		}
	})
}
