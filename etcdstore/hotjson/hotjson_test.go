package hotjson_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore/hotjson"
)

// A field that is added to a record, and not here, fails this.
func TestEveryField(t *testing.T) {
	for kind, r := range records() {
		full().fill(reflect.ValueOf(r).Elem())
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := hotjson.Append(nil, r)
		if !ok || string(got) != string(want) {
			t.Errorf("%s: known: %t; written is (-want +got):\n%s", kind, ok, cmp.Diff(string(want), string(got)))
		}
		read := records()[kind]
		if !hotjson.Read(want, read) || !reflect.DeepEqual(read, r) {
			t.Errorf("%s: read is (-want +got):\n%s", kind, cmp.Diff(r, read))
		}
	}
}

// What is empty is left out of an object, or not, by itself.
func TestAppend_OneFieldSet(t *testing.T) {
	for kind := range records() {
		for i := range leaves(reflect.ValueOf(records()[kind]).Elem()) {
			r := records()[kind]
			full().fill(leaves(reflect.ValueOf(r).Elem())[i])
			sameBytes(t, r)
		}
	}
}

// leaves are all fields that are no structs, and pointers to structs, at any depth.
func leaves(v reflect.Value) []reflect.Value {
	if v.Kind() != reflect.Struct || v.Type().PkgPath() == "time" {
		return []reflect.Value{v}
	}
	var out []reflect.Value
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("json") != "-" {
			out = append(out, leaves(v.Field(i))...)
		}
	}
	return out
}

func TestAppend_AsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]berth.Kind{berth.KindRequest, berth.KindState, berth.KindAllocation, berth.KindLedger, berth.KindArchive, berth.KindPlan}).Draw(t, "kind")
		r := records()[kind]
		drawn(t).fill(reflect.ValueOf(r).Elem())
		sameBytes(t, r)
	})
}

// fataler is a test.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sameBytes holds what is written to what encoding/json writes, and what is read of
// that to what the library reads.
func sameBytes(t fataler, r any) {
	t.Helper()
	want, err := json.Marshal(r)
	got, ok := hotjson.Append([]byte("before"), r)
	if err != nil && ok {
		t.Fatalf("%+v is written, though %v", r, err)
	}
	if err == nil && (!ok || string(got) != "before"+string(want)) {
		t.Fatalf("known: %t; written is (-want +got):\n%s", ok, cmp.Diff(string(want), strings.TrimPrefix(string(got), "before")))
	}
	if err == nil {
		sameRecord(t, want, r)
	}
}

// sameRecord holds what is read to what the library reads; like is of its type.
func sameRecord(t fataler, value []byte, like any) (read bool) {
	t.Helper()
	got, want := reflect.New(reflect.TypeOf(like).Elem()).Interface(), reflect.New(reflect.TypeOf(like).Elem()).Interface()
	if !hotjson.Read(value, got) {
		return false
	}
	if err := jsonv2.Unmarshal(value, want, jsonv2.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%s is read, though %v", value, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: read is (-want +got):\n%s", value, cmp.Diff(want, got))
	}
	return true
}

func TestAppendSubmission(t *testing.T) {
	r := new(berth.Submission)
	full().fill(reflect.ValueOf(r).Elem())
	spec := hotjson.AppendRequest(nil, &r.Spec)
	want, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Spec = berth.Request{}
	if got, ok := hotjson.AppendSubmission(nil, r, spec); !ok || string(got) != string(want) {
		t.Errorf("known: %t; written is (-want +got):\n%s", ok, cmp.Diff(string(want), string(got)))
	}
}

// What is said in another way is left to the library, and nothing else is: each row
// changes the progress record below.
func TestRead_GivesUp(t *testing.T) {
	const record = `{"version":1,"txn":"t","state":"PLACED","attempt":1,"used_attempts":0,"worker":"w","avoid":["a","b"]}`
	for name, tt := range map[string]struct {
		old, new string
		read     bool
	}{
		"nothing":        {"", "", true},
		"escaped":        {`"w"`, `"\u0077\n"`, true},
		"not ASCII":      {`"w"`, `"é"`, true},
		"no UTF-8":       {`"w"`, "\"\xff\"", false},
		"half surrogate": {`"w"`, `"\ud800"`, false},
		"control":        {`"w"`, "\"\n\"", false},
		"space":          {`1,`, `1 ,`, false},
		"order":          {`"version":1,"txn":"t"`, `"txn":"t","version":1`, false},
		"unknown":        {`"worker"`, `"colour"`, false},
		"twice":          {`"worker":"w"`, `"worker":"w","worker":"w"`, false},
		"missing":        {`"attempt":1,`, ``, false},
		"null":           {`"w"`, `null`, false},
		"other type":     {`"w"`, `7`, false},
		"unknown word":   {`PLACED`, `SPOILT`, false},
		"fraction":       {`"attempt":1`, `"attempt":1.0`, false},
		"exponent":       {`"attempt":1`, `"attempt":1e3`, false},
		"leading zero":   {`"attempt":1`, `"attempt":01`, false},
		"minus zero":     {`"attempt":1`, `"attempt":-0`, false},
		"no digit":       {`"attempt":1`, `"attempt":-`, false},
		"minus":          {`"attempt":1`, `"attempt":-999999999999999999`, true},
		"huge":           {`"attempt":1`, `"attempt":9223372036854775808`, false},
		"garbage":        {`"]}`, `"]} x`, false},
		"cut":            {`"]}`, `"]`, false},
		"cut in a text":  {`"b"]}`, `"b\`, false},
		"empty list":     {`["a","b"]`, `[]`, true},
		"comma":          {`["a","b"]`, `["a",]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if read := sameRecord(t, []byte(strings.Replace(record, tt.old, tt.new, 1)), new(berth.Progress)); read != tt.read {
				t.Errorf("read: %t, want %t", read, tt.read)
			}
		})
	}
}

// goldens are the values of etcdstore's tests, of the kinds that are known here.
func goldens(t testing.TB) map[berth.Kind][]byte {
	t.Helper()
	out := map[berth.Kind][]byte{}
	for kind := range records() {
		b, err := os.ReadFile(filepath.Join("..", "testdata", string(kind)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		out[kind] = bytes.TrimSpace(b)
	}
	return out
}

func FuzzRead(f *testing.F) {
	for kind, value := range goldens(f) {
		f.Add(string(kind), value)
		for _, change := range [][2]string{{`":1`, `":1.0`}, {`"`, `"\u0041`}, {`,`, `, `}, {`Z"`, `+01:00"`}, {`{}`, `{"cpu_milli":0}`}, {`[`, `[null,`}} {
			f.Add(string(kind), bytes.Replace(value, []byte(change[0]), []byte(change[1]), 1))
		}
	}
	f.Fuzz(func(t *testing.T, kind string, value []byte) {
		like := records()[berth.Kind(kind)]
		if like == nil {
			return
		}
		sameRecord(t, value, like)
		if jsonv2.Unmarshal(value, like, jsonv2.RejectUnknownMembers(true)) == nil {
			sameBytes(t, like)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for kind, value := range goldens(b) {
		r := records()[kind]
		if err := jsonv2.Unmarshal(value, r); err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 0, 2*len(value))
		b.Run("kind="+string(kind)+"/by=hotjson", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				hotjson.Append(buf, r)
			}
		})
		b.Run("kind="+string(kind)+"/by=encodingjson", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for kind, value := range goldens(b) {
		of := reflect.TypeOf(records()[kind]).Elem()
		b.Run("kind="+string(kind)+"/by=hotjson", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !hotjson.Read(value, reflect.New(of).Interface()) {
					b.Fatal("not read")
				}
			}
		})
		b.Run("kind="+string(kind)+"/by=jsonv2", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := jsonv2.Unmarshal(value, reflect.New(of).Interface(), jsonv2.RejectUnknownMembers(true)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
