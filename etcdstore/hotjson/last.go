package hotjson

import "bytes"

// last is the record of a kind that was read last, as its text and as what it says, but
// for the members between from and to: those in which the records of one transaction
// differ. Of the next one these are read, and the rest of most is one comparison.
//
// What is alike is read from the same bytes in the same place, and so says the same. For
// states, which are short, it gained nothing.
type last[R any] struct {
	text     []byte // empty: none
	from, to int    // of text
	record   R
}

// lastMost is the longest text that is kept.
const lastMost = 4096

// begins says whether the next record begins alike, and takes that.
func (l *last[R]) begins(c *coder, r *R) bool {
	if len(l.text) == 0 || len(c.text) < l.from || !bytes.Equal(c.text[:l.from], l.text[:l.from]) {
		return false
	}
	*r = l.record
	c.at, c.inside = l.from, true
	return true
}

// ends says whether it ends alike, too; else it is to be read from its beginning.
func (l *last[R]) ends(c *coder, r *R) bool {
	if !c.lost && bytes.Equal(c.text[c.at:], l.text[l.to:]) {
		c.at = len(c.text)
		return true
	}
	*r = *new(R)
	c.at, c.lost, c.inside = 0, false, false
	return false
}

// keep takes a record that was read otherwise; rest is what it says without the members
// between.
func (l *last[R]) keep(c *coder, from, to int, rest *R) {
	if !c.lost && c.at == len(c.text) && len(c.text) <= lastMost {
		l.text, l.from, l.to, l.record = append(l.text[:0], c.text...), from, to, *rest
	}
}
