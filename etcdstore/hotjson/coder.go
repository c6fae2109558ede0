package hotjson

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/berthd/berth"
)

// coder writes a record, or reads one: the fields of a record are told once, in their
// order, for both.
type coder struct {
	text    []byte // what is written, or is to be read
	at      int    // of text, when reading
	reading bool
	lost    bool
	inside  bool // the object has a member before
	lately
}

// lately is what was read lately, in which much of what comes next is found.
type lately struct {
	known      *texts
	specs      *specs
	allocation *last[berth.Allocation]
}

func newLately() lately {
	return lately{new(texts), newSpecs(), new(last[berth.Allocation])}
}

// begin and end stand around an object's members.
func (c *coder) begin() {
	c.mark('{')
	c.inside = false
}

func (c *coder) end() {
	c.mark('}')
	c.inside = true
}

func (c *coder) mark(b byte) {
	switch {
	case !c.reading:
		c.text = append(c.text, b)
	case c.next() == b:
		c.at++
	default:
		c.lost = true
	}
}

// next is the byte to be read, 0 after the last one.
func (c *coder) next() byte {
	if c.at < len(c.text) {
		return c.text[c.at]
	}
	return 0
}

// member writes a name, or says whether it is the next to be read.
func (c *coder) member(name string) bool {
	if !c.reading {
		if c.inside {
			c.text = append(c.text, ',')
		}
		c.inside = true
		c.text = append(c.text, '"')
		c.text = append(c.text, name...)
		c.text = append(c.text, '"', ':')
		return true
	}
	rest := c.text[c.at:]
	if c.inside {
		if len(rest) == 0 || rest[0] != ',' {
			return false
		}
		rest = rest[1:]
	}
	n := len(name)
	if len(rest) < n+3 || rest[0] != '"' || rest[n+1] != '"' || rest[n+2] != ':' || string(rest[1:n+1]) != name {
		return false
	}
	c.at = len(c.text) - len(rest) + n + 3
	c.inside = true
	return true
}

// has says whether a member is written, or stands next: one that is left out where
// it is empty.
func (c *coder) has(name string, written bool) bool {
	return !c.lost && (c.reading || written) && c.member(name)
}

// must is has of a member that always stands there.
func (c *coder) must(name string) bool {
	if !c.lost && !c.member(name) {
		c.lost = true
	}
	return !c.lost
}

// Of each type, the first function codes a member that always stands there, and
// maybe... one that is left out where it is empty.

func text[T ~string](c *coder, name string, v *T) {
	if c.must(name) {
		textItem(c, v)
	}
}

func maybeText[T ~string](c *coder, name string, v *T) {
	if c.has(name, *v != "") {
		textItem(c, v)
	}
}

func textItem[T ~string](c *coder, v *T) {
	if c.reading {
		*v = T(c.known.of(c.read()))
	} else {
		c.write(string(*v))
	}
}

// wordIn is a pointer to a word, which takes only those of a list.
type wordIn[T ~string] interface {
	*T
	UnmarshalText(b []byte) error
}

func word[T ~string, P wordIn[T]](c *coder, name string, v P) {
	if c.must(name) {
		wordItem(c, v)
	}
}

func maybeWord[T ~string, P wordIn[T]](c *coder, name string, v P) {
	if c.has(name, *v != "") {
		wordItem(c, v)
	}
}

func wordItem[T ~string, P wordIn[T]](c *coder, v P) {
	if !c.reading {
		c.write(string(*v))
	} else if v.UnmarshalText(c.read()) != nil {
		c.lost = true
	}
}

type integer interface {
	~int | ~int32 | ~int64 | ~uint64
}

func number[T integer](c *coder, name string, v *T) {
	if c.must(name) {
		numberItem(c, v)
	}
}

func maybeNumber[T integer](c *coder, name string, v *T) {
	if c.has(name, *v != 0) {
		numberItem(c, v)
	}
}

func numberItem[T integer](c *coder, v *T) {
	if c.reading {
		*v = readNumber[T](c)
		return
	}
	if *v < 0 {
		c.text = strconv.AppendInt(c.text, int64(*v), 10)
	} else {
		c.text = strconv.AppendUint(c.text, uint64(*v), 10)
	}
}

func maybeTrue(c *coder, name string, v *bool) {
	switch {
	case !c.has(name, *v):
	case !c.reading:
		c.text = append(c.text, "true"...)
	default:
		for _, b := range []byte("true") {
			c.mark(b)
		}
		*v = true
	}
}

// truthItem codes what may be false, and still stands there.
func truthItem(c *coder, v *bool) {
	word := "true"
	if c.reading {
		*v = c.next() == 't'
	}
	if !*v {
		word = "false"
	}
	for i := range len(word) {
		c.mark(word[i])
	}
}

func moment(c *coder, name string, v *time.Time) {
	if c.must(name) {
		momentItem(c, v)
	}
}

func maybeMoment(c *coder, name string, v *time.Time) {
	if c.has(name, !v.IsZero()) {
		momentItem(c, v)
	}
}

func momentItem(c *coder, v *time.Time) {
	var err error
	if c.reading {
		err = v.UnmarshalText(c.read())
	} else {
		c.text = append(c.text, '"')
		c.text, err = v.AppendText(c.text)
		c.text = append(c.text, '"')
	}
	c.lost = c.lost || err != nil
}

// maybe codes what a pointer points to; nil is left out.
func maybe[T any](c *coder, name string, v **T, item func(*coder, *T)) {
	if !c.has(name, *v != nil) {
		return
	}
	if c.reading {
		*v = new(T)
	}
	item(c, *v)
}

func list[T any](c *coder, name string, v *[]T, item func(*coder, *T)) {
	if c.must(name) {
		listItems(c, v, item)
	}
}

func maybeList[T any](c *coder, name string, v *[]T, item func(*coder, *T)) {
	if c.has(name, len(*v) > 0) {
		listItems(c, v, item)
	}
}

func listItems[T any](c *coder, v *[]T, item func(*coder, *T)) {
	switch {
	case c.reading:
		readList(c, v, item)
	case *v == nil:
		c.text = append(c.text, "null"...)
	default:
		c.mark('[')
		for i := range *v {
			if i > 0 {
				c.mark(',')
			}
			item(c, &(*v)[i])
		}
		c.mark(']')
	}
}

func readList[T any](c *coder, v *[]T, item func(*coder, *T)) {
	c.mark('[')
	*v = []T{}
	for i := 0; !c.lost && c.next() != ']'; i++ {
		if i > 0 {
			c.mark(',')
		}
		var one T
		*v = append(*v, one)
		item(c, &(*v)[i])
	}
	c.mark(']')
}

// maybeMap codes a map, sorted by its keys.
func maybeMap[V any](c *coder, name string, v *map[string]V, item func(*coder, *V)) {
	if !c.has(name, len(*v) > 0) {
		return
	}
	c.begin()
	if c.reading {
		readMap(c, v, item)
	} else {
		writeMap(c, *v, item)
	}
	c.end()
}

func writeMap[V any](c *coder, m map[string]V, item func(*coder, *V)) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	var one V
	for i, name := range names {
		if i > 0 {
			c.mark(',')
		}
		c.write(name)
		c.mark(':')
		one = m[name]
		item(c, &one)
	}
}

func readMap[V any](c *coder, v *map[string]V, item func(*coder, *V)) {
	*v = make(map[string]V)
	last := ""
	var one V
	for i := 0; !c.lost && c.next() != '}'; i++ {
		if i > 0 {
			c.mark(',')
		}
		k := c.known.of(c.read())
		if i > 0 && k <= last { // out of order, or twice
			c.lost = true
		}
		last = k
		c.mark(':')
		item(c, &one)
		(*v)[k] = one
	}
}

// write writes a string. One in which something is escaped is left to the library:
// HTML's marks are, and what is no UTF-8.
func (c *coder) write(s string) {
	c.text = append(c.text, '"')
	for i := range len(s) {
		if !plain[s[i]] || s[i] == '<' || s[i] == '>' || s[i] == '&' {
			b, err := json.Marshal(s)
			c.lost = c.lost || err != nil
			c.text = append(c.text[:len(c.text)-1], b...)
			return
		}
	}
	c.text = append(c.text, s...)
	c.text = append(c.text, '"')
}
