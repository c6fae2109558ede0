package plainjson

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// Reader reads the values of one type. It may be used by many goroutines.
type Reader struct{ top *shape }

// For makes the reader of a struct type. With whole, a value that lacks a field
// which is never left out when it is written is not plain. It panics where the
// type has no plain form: that is a bug of who declared it.
func For(t reflect.Type, whole bool) *Reader {
	m := shaper{done: map[reflect.Type]*shape{}, whole: whole}
	return &Reader{top: m.of(t)}
}

// Read gives a pointer to a new struct, or says that value is not plain.
func (r *Reader) Read(value []byte) (any, bool) {
	v := reflect.New(r.top.typ)
	c := cursor{b: value}
	if !c.value(r.top, v.Elem()) || c.at != len(value) {
		return nil, false
	}
	return v.Interface(), true
}

// cursor is how far a value was read. Its methods say false where what follows
// is not plain.
type cursor struct {
	b  []byte
	at int
}

// next takes one byte if it is want.
func (c *cursor) next(want byte) bool {
	if c.at < len(c.b) && c.b[c.at] == want {
		c.at++
		return true
	}
	return false
}

func (c *cursor) value(s *shape, v reflect.Value) bool {
	switch s.form {
	case formString:
		text, ok := c.text()
		v.SetString(text)
		return ok
	case formInt:
		n, ok := c.int()
		if !ok || v.OverflowInt(n) {
			return false
		}
		v.SetInt(n)
		return true
	case formUint:
		n, err := strconv.ParseUint(string(c.digits()), 10, 64)
		v.SetUint(n)
		return err == nil
	case formBool:
		return c.bool(v)
	case formText, formLiteral:
		return c.own(s, v)
	case formPointer:
		v.Set(reflect.New(s.elem.typ))
		return c.value(s.elem, v.Elem())
	case formSlice:
		return c.slice(s, v)
	case formMap:
		return c.mapping(s, v)
	case formStruct:
		return c.structure(s, v)
	}
	return false
}

// literal is a string with its quotes; simple says that nothing in it is escaped.
func (c *cursor) literal() (b []byte, simple, ok bool) {
	from := c.at
	if !c.next('"') {
		return nil, false, false
	}
	simple, ascii := true, true
	for ; c.at < len(c.b); c.at++ {
		switch ch := c.b[c.at]; {
		case ch == '"':
			c.at++
			b = c.b[from:c.at]
			return b, simple, ascii || utf8.Valid(b)
		case ch == '\\':
			simple = false
			c.at++ // whatever follows is no end
		case ch < ' ':
			return nil, false, false
		case ch >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, false
}

func (c *cursor) text() (string, bool) {
	b, simple, ok := c.literal()
	switch {
	case !ok:
		return "", false
	case simple:
		return string(b[1 : len(b)-1]), true
	}
	var text string
	return text, json.Unmarshal(b, &text) == nil
}

// own has a type read its string itself.
func (c *cursor) own(s *shape, v reflect.Value) bool {
	b, simple, ok := c.literal()
	if !ok || !simple {
		return false
	}
	switch to := v.Addr().Interface().(type) {
	case json.Unmarshaler:
		return s.form == formLiteral && to.UnmarshalJSON(b) == nil
	case encoding.TextUnmarshaler:
		return to.UnmarshalText(b[1:len(b)-1]) == nil
	}
	return false
}

// digits are those of a number that is plain but for its sign.
func (c *cursor) digits() []byte {
	from := c.at
	for c.at < len(c.b) && c.b[c.at] >= '0' && c.b[c.at] <= '9' {
		c.at++
	}
	b := c.b[from:c.at]
	if len(b) > 1 && b[0] == '0' {
		return nil
	}
	return b // what may follow a whole number, '.' or 'e', is no delimiter: it is not plain
}

// maxDigits is how many digits an int64 holds whatever they are.
const maxDigits = 18

func (c *cursor) int() (int64, bool) {
	negative := c.next('-')
	digits := c.digits()
	if len(digits) == 0 || len(digits) > maxDigits {
		return 0, false
	}
	var n int64
	for _, d := range digits {
		n = 10*n + int64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

func (c *cursor) bool(v reflect.Value) bool {
	for _, word := range []string{"true", "false"} {
		if bytes.HasPrefix(c.b[c.at:], []byte(word)) {
			c.at += len(word)
			v.SetBool(word == "true")
			return true
		}
	}
	return false
}

func (c *cursor) slice(s *shape, v reflect.Value) bool {
	if !c.next('[') {
		return false
	}
	v.Set(reflect.MakeSlice(s.typ, 0, 0))
	if c.next(']') {
		return true
	}
	for i := 0; ; i++ {
		v.Grow(1)
		v.SetLen(i + 1)
		if !c.value(s.elem, v.Index(i)) {
			return false
		}
		if !c.next(',') {
			return c.next(']')
		}
	}
}

func (c *cursor) mapping(s *shape, v reflect.Value) bool {
	if !c.next('{') {
		return false
	}
	m := reflect.MakeMap(s.typ)
	v.Set(m)
	if c.next('}') {
		return true
	}
	for {
		name, ok := c.text()
		if !ok || !c.next(':') {
			return false
		}
		elem := reflect.New(s.elem.typ).Elem()
		if !c.value(s.elem, elem) {
			return false
		}
		key := reflect.ValueOf(name).Convert(s.typ.Key())
		if m.MapIndex(key).IsValid() {
			return false
		}
		m.SetMapIndex(key, elem)
		if !c.next(',') {
			return c.next('}')
		}
	}
}

func (c *cursor) structure(s *shape, v reflect.Value) bool {
	from := c.at
	if !c.next('{') {
		return false
	}
	var seen uint64
	for i := 0; !c.next('}'); i++ {
		if seen != 0 && !c.next(',') {
			return false
		}
		name, simple, ok := c.literal()
		if !ok || !simple || !c.next(':') {
			return false
		}
		if i = s.find(name[1:len(name)-1], i); i < 0 || seen&(1<<i) != 0 {
			return false
		}
		seen |= 1 << i
		f := &s.fields[i]
		if !c.value(f.shape, v.FieldByIndex(f.index)) {
			return false
		}
	}
	if seen&s.needed != s.needed {
		return false
	}
	if s.raw {
		v.Addr().Interface().(RawTaker).TakeRaw(c.b[from:c.at]) //nolint:errcheck // its shape says so
	}
	return true
}

// find is the field of a name, or -1. Fields mostly come in their order: it looks
// from the one that is due on.
func (s *shape) find(name []byte, from int) int {
	for n := range s.fields {
		i := from + n
		if i >= len(s.fields) {
			i -= len(s.fields)
		}
		if i < len(s.fields) && s.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}
