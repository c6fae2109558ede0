package serve

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What a call may hold besides the entries of its own lists. An empty message is two bytes
// of it, of which gzip makes next to none, and some hundred in memory; an empty text is as
// many bytes, and 16. So what fits in the bytes of a call is no bound of what they become.
const (
	// maxCallMessages are those within a call, at any depth: a request that has all of
	// its constraints, tolerations, affinities, spreads, ports and devices is 244.
	maxCallMessages = berth.MaxRequestsPerCall * 256
	// maxCallValues are these, and the entries of maps and of lists of text, and single
	// fields: that request, with all arguments, variables and labels, too, has 2,100.
	maxCallValues = berth.MaxRequestsPerCall * 2500
)

// tally is what a call holds, counted before any of it is unmarshalled.
type tally struct {
	field    string // the first list of the call itself that has too many entries
	entries  int    // of that list
	messages int    // without the entries of lists that have too many
	values   int    // likewise
}

// list takes the count of a list of the call itself.
func (t *tally) list(f protoreflect.FieldDescriptor, entries int) {
	if t.field == "" && entries > berth.MaxRequestsPerCall {
		t.field, t.entries = f.TextName(), entries
	}
}

// full says that no more need be counted.
func (t *tally) full() bool { return t.messages > maxCallMessages || t.values > maxCallValues }

// refusal is why the call is not unmarshalled; nil: it may be.
func (t *tally) refusal() *berth.FieldError {
	tooMany := func(problem string, most int) *berth.FieldError {
		return &berth.FieldError{Field: "call", Problem: problem, Bound: fmt.Sprintf("at most %d; make several calls of it", most)}
	}
	switch {
	case t.field != "":
		return daemon.TooManyEntries(t.field, t.entries)
	case t.messages > maxCallMessages:
		return tooMany("has too many messages within it", maxCallMessages)
	case t.values > maxCallValues:
		return tooMany("has too many values within it", maxCallValues)
	}
	return nil
}
