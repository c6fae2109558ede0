package serve

import (
	"encoding/json"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/berthd/berth"
)

// tallyJSON counts what the JSON of a message holds: its objects, and its values by the
// commas and brackets between them. Where it is malformed it may count what is nothing,
// but only beyond the place where who unmarshals it ends with an error.
func tallyJSON(b []byte, d protoreflect.MessageDescriptor) tally {
	var (
		t       tally
		depth   int
		text    []byte // the last text of the call's own object: before a list, its name
		listed  bool   // within a list of that object
		entries int    // of that list
	)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			end := textEnd(b, i)
			if depth == 1 {
				text = b[i:end]
			}
			i = end - 1
		case ',':
			t.values++
		case '{', '[':
			switch {
			case depth == 1 && c == '[':
				listed, entries = true, 0
			case depth == 2 && c == '{' && listed:
				entries++
			}
			depth++
			t.values++
			if c == '{' {
				t.messages++
			}
		case '}', ']':
			if depth--; depth == 1 && listed {
				t.listed(d, text, entries)
				listed = false
			}
		}
	}
	if listed { // cut off within it
		t.listed(d, text, entries)
	}
	return t
}

// listed takes the count of a list by the name that it has in the JSON.
func (t *tally) listed(d protoreflect.MessageDescriptor, name []byte, entries int) {
	if entries <= berth.MaxRequestsPerCall {
		return
	}
	var plain string
	if json.Unmarshal(name, &plain) != nil {
		return
	}
	f := d.Fields().ByJSONName(plain)
	if f == nil {
		f = d.Fields().ByTextName(plain)
	}
	if f != nil && f.IsList() && f.Message() != nil {
		t.list(f, entries)
	}
}

// textEnd is where the text that begins at i has ended.
func textEnd(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(b))
}
