// Package hotjson writes and reads the records that are written most, as JSON, without
// reflection: to the byte what encoding/json writes.
//
// It knows one way to say a thing, that of encoding/json: the fields in their order, no
// space, no number with an exponent. Where something else stands it gives up, and the
// general libraries read the record, or say what is wrong with it. So it refuses
// nothing by itself, and takes nothing that they would not, or as another record.
//
// Reflection took three times the time, both to write and to read: BenchmarkAppend and
// BenchmarkRead hold them beside each other.
package hotjson

import "github.com/berthd/berth"

// Append writes a record behind b; false: it is not of a kind that is known here, or
// cannot be written, as a time beyond the year 9999.
func Append(b []byte, record any) ([]byte, bool) {
	c := coder{text: b}
	if !c.coded(record) {
		return b, false
	}
	return c.text, true
}

// AppendSubmission is Append with a spec that is written already.
func AppendSubmission(b []byte, r *berth.Submission, spec []byte) ([]byte, bool) {
	c := coder{text: b}
	submission(&c, r, spec)
	if c.lost {
		return b, false
	}
	return c.text, true
}

// AppendRequest writes a spec behind b.
func AppendRequest(b []byte, r *berth.Request) []byte {
	c := coder{text: b}
	request(&c, r)
	return c.text
}

// Read reads a value into a new record; false: the record is not of a kind that is
// known here, or says something in another way, and may be spoiled. Lists, maps and what
// is pointed to may be another record's, too: whoever changes one makes a copy.
func Read(value []byte, record any) bool {
	c, _ := readers.Get().(*coder)
	*c = coder{text: value, reading: true, lately: c.lately}
	ok := c.coded(record) && c.at == len(value)
	c.text = nil
	readers.Put(c)
	return ok
}
