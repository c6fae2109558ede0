package hotjson

import (
	"encoding/binary"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// texts are some of the strings that were read lately: tenants, workers and the ids of
// plans stand in many records.
type texts [256]string

// Of a text that is looked up, how long it is.
const textLeast, textMost = 4, 64

var readers = sync.Pool{New: func() any { return &coder{reading: true, lately: newLately()} }}

// of is b as a string.
func (t *texts) of(b []byte) string {
	n := len(b)
	if n < textLeast || n > textMost {
		return string(b)
	}
	hash := binary.LittleEndian.Uint32(b[n-4:])*0x9e3779b1 + binary.LittleEndian.Uint32(b)*0x85ebca6b + uint32(n)
	at := &t[hash*0xc2b2ae35>>24]
	if *at != string(b) {
		*at = string(b)
	}
	return *at
}

// plain are the bytes that stand for themselves in a string of JSON, of ASCII.
var plain = func() (t [256]bool) {
	for b := ' '; b < 0x7f; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// read is the content of the string that stands next, to be copied.
func (c *coder) read() []byte {
	if c.lost || c.next() != '"' {
		c.lost = true
		return nil
	}
	begin := c.at + 1
	end := begin
	for end < len(c.text) && plain[c.text[end]] {
		end++
	}
	if end < len(c.text) && c.text[end] == '"' {
		c.at = end + 1
		return c.text[begin:end]
	}
	return c.unquote(end)
}

// unquote reads a string in which something is escaped, or is not ASCII; it is plain
// before end.
func (c *coder) unquote(end int) []byte {
	for end < len(c.text) && c.text[end] != '"' {
		if c.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(c.text) {
		c.lost = true
		return nil
	}
	out, err := jsontext.AppendUnquote(nil, c.text[c.at:end+1])
	c.lost = c.lost || err != nil
	c.at = end + 1
	return out
}

// readNumber reads a whole number. What is no number in any spelling, a fraction's
// dot or an exponent, then stands where another thing must.
func readNumber[T integer](c *coder) T {
	minus := c.next() == '-'
	if minus {
		c.at++
	}
	begin := c.at
	n := uint64(0)
	for c.at < len(c.text) && c.text[c.at]-'0' <= 9 {
		n = n*10 + uint64(c.text[c.at]-'0')
		c.at++
	}
	digits := c.at - begin
	ok := digits == 1 && (!minus || n != 0) || digits > 1 && digits < 19 && c.text[begin] != '0'
	v := T(n)
	if minus {
		v = -v
	}
	if !ok || minus != (v < 0) || magnitude(v) != n {
		c.lost = true
		return 0
	}
	return v
}

func magnitude[T integer](v T) uint64 {
	if v < 0 {
		return uint64(-int64(v))
	}
	return uint64(v)
}
