package plainjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth/plainjson"
)

type word string

func (w *word) UnmarshalText(b []byte) error {
	if strings.HasPrefix(string(b), "bad") {
		return errors.New("not a word")
	}
	*w = word(b)
	return nil
}

type head struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
}

type part struct {
	Name  string `json:"name"`
	Milli int64  `json:"milli,omitempty"`
}

// all has every form.
type all struct {
	head
	Word   word              `json:"word"`
	Small  int32             `json:"small,omitempty"`
	Seed   uint64            `json:"seed"`
	Yes    bool              `json:"yes"`
	At     time.Time         `json:"at,omitzero"`
	Maybe  *int32            `json:"maybe,omitempty"`
	Part   *part             `json:"part,omitempty"`
	Parts  []part            `json:"parts,omitempty"`
	Ports  []int32           `json:"ports,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Sums   map[string]int64  `json:"sums,omitempty"`
}

var (
	lenient = plainjson.For(reflect.TypeFor[all](), false)
	whole   = plainjson.For(reflect.TypeFor[all](), true)
)

func examples() []all {
	n := int32(-7)
	return []all{
		{Word: "x"},
		{
			head: head{1, "id"}, Word: "w", Small: math.MinInt32, Seed: math.MaxUint64, Yes: true,
			At: time.Date(2026, 11, 25, 3, 7, 0, 293_716_000, time.UTC), Maybe: &n, Part: &part{"p", 3},
			Parts: []part{{"a", 1}, {"b", 0}, {"c", -3}}, Ports: []int32{1, 2, 3},
			Labels: map[string]string{"a": "b", "é\"<": "x & \n\x01 ü\u2028"}, Sums: map[string]int64{"n": -5, "m": 1 << 55},
		},
	}
}

// What encoding/json writes is plain, and is read as it was.
func TestRead_WhatIsWritten(t *testing.T) {
	for i, want := range examples() {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		for _, reader := range []*plainjson.Reader{lenient, whole} {
			got, ok := reader.Read(b)
			if !ok {
				t.Fatalf("example %d is not plain: %s", i, b)
			}
			if diff := cmp.Diff(&want, got, cmp.AllowUnexported(all{})); diff != "" {
				t.Errorf("example %d (-written +read)\n%s", i, diff)
			}
		}
	}
}

func TestRead_NotPlain(t *testing.T) {
	const rest = `"version":1,"id":"i","word":"w","seed":1,"yes":true`
	tests := []struct{ name, value string }{
		{"empty", ``},
		{"no object", `[]`},
		{"space", `{ ` + rest + `}`},
		{"space after it", `{` + rest + `} `},
		{"something after it", `{` + rest + `}{}`},
		{"cut off", `{` + rest},
		{"cut off in a string", `{"id":"i`},
		{"a comma too many", `{` + rest + `,}`},
		{"a comma too few", `{"version":1"id":"i"}`},
		{"unknown", `{` + rest + `,"other":1}`},
		{"twice", `{` + rest + `,"id":"j"}`},
		{"another case", `{` + rest + `,"Small":1}`},
		{"name escaped", `{` + rest + `,"\u0073mall":1}`},
		{"null", `{` + rest + `,"part":null}`},
		{"another type", `{` + rest + `,"small":"1"}`},
		{"too large", `{` + rest + `,"small":2147483648}`},
		{"too long", `{` + rest + `,"sums":{"a":1000000000000000000}}`},
		{"fraction", `{` + rest + `,"small":1.0}`},
		{"exponent", `{` + rest + `,"small":1e2}`},
		{"leading zero", `{` + rest + `,"small":01}`},
		{"minus alone", `{` + rest + `,"small":-}`},
		{"negative, where it is unsigned", strings.Replace(`{`+rest+`}`, `"seed":1`, `"seed":-1`, 1)},
		{"bad word", strings.Replace(`{`+rest+`}`, `"w"`, `"bad"`, 1)},
		{"bad time", `{` + rest + `,"at":"yesterday"}`},
		{"control character", `{` + rest + `,"labels":{"a":"` + "\x01" + `"}}`},
		{"no UTF-8", `{` + rest + `,"labels":{"a":"` + "\xff" + `"}}`},
		{"bad escape", `{` + rest + `,"labels":{"a":"\x"}}`},
		{"key twice", `{` + rest + `,"sums":{"a":1,"a":2}}`},
		{"list not closed", `{` + rest + `,"ports":[1}`},
		{"list with a comma", `{` + rest + `,"ports":[1,]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := lenient.Read([]byte(tt.value)); ok {
				t.Errorf("%s is read: %+v", tt.value, got)
			}
		})
	}
}

func TestRead_Whole(t *testing.T) {
	const lacking = `{"version":1,"id":"i","word":"w","yes":true}`
	if _, ok := whole.Read([]byte(lacking)); ok {
		t.Errorf("%s lacks the seed, and is read", lacking)
	}
	if _, ok := lenient.Read([]byte(lacking)); !ok {
		t.Errorf("%s is not read", lacking)
	}
}

// taker is told its bytes.
type taker struct {
	raw string
	part
}

func (t *taker) TakeRaw(b []byte) { t.raw = string(b) }

type holder struct {
	Before int   `json:"before"`
	Taker  taker `json:"taker"`
}

func TestRead_TakesRaw(t *testing.T) {
	got, ok := plainjson.For(reflect.TypeFor[holder](), true).Read([]byte(`{"before":1,"taker":{"name":"n","milli":2}}`))
	want := &holder{1, taker{`{"name":"n","milli":2}`, part{"n", 2}}}
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

func TestFor_NoPlainForm(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[struct {
			F float64 `json:"f"`
		}](),
		reflect.TypeFor[struct {
			B []byte `json:"b"`
		}](),
		reflect.TypeFor[struct {
			A any `json:"a"`
		}](),
		reflect.TypeFor[struct {
			R json.RawMessage `json:"r"`
		}](),
		reflect.TypeFor[struct {
			N int64 `json:"n,string"`
		}](),
		reflect.TypeFor[struct{ NoName int }](),
		reflect.TypeFor[struct {
			M map[int]string `json:"m"`
		}](),
	} {
		t.Run(fmt.Sprint(typ), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it has a reader")
				}
			}()
			plainjson.For(typ, false)
		})
	}
}

// FuzzRead: what is plain is what encoding/json reads of it, strictly.
func FuzzRead(f *testing.F) {
	for _, e := range examples() {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"version":-0,"id":"\ud800","word":"w","seed":18446744073709551616,"labels":{},"ports":[]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		got, ok := lenient.Read(value)
		if all, wholly := whole.Read(value); wholly && (!ok || !reflect.DeepEqual(all, got)) {
			t.Fatalf("%s: wholly %+v, else %+v", value, all, got)
		}
		if !ok {
			return
		}
		want := new(all)
		dec := json.NewDecoder(bytes.NewReader(value))
		dec.DisallowUnknownFields()
		if err := dec.Decode(want); err != nil {
			t.Fatalf("%s is read, which encoding/json refuses: %v", value, err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			t.Fatalf("something follows %s", value)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s is read as %+v, by encoding/json as %+v", value, got, want)
		}
	})
}
