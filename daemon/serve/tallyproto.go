package serve

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/berthd/berth"
)

// tallyProto counts what the wire format of a message holds. It ends where that is
// malformed: so does who unmarshals it, with an error.
func tallyProto(b []byte, d protoreflect.MessageDescriptor) tally {
	var t tally
	lists := make([]int, d.Fields().Len())
	t.walk(b, d, lists, protowire.DefaultRecursionLimit)
	for i, n := range lists {
		t.list(d.Fields().Get(i), n)
	}
	return t
}

// walk counts in a message, and within it as deep as its unmarshaller goes. The lists are
// those of the call itself, each by its field's index; nil within it.
func (t *tally) walk(b []byte, d protoreflect.MessageDescriptor, lists []int, deeper int) {
	var f protoreflect.FieldDescriptor
	last := protowire.Number(-1)
	for len(b) > 0 && (lists != nil || !t.full()) {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		if number != last { // most follow others of their list
			last, f = number, d.Fields().ByNumber(number)
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(number, kind, b)
		if size < 0 {
			return
		}
		value := b[:size]
		b = b[size:]
		within := messageOf(f, kind)
		if within != nil && lists != nil && f.IsList() {
			if lists[f.Index()]++; lists[f.Index()] > berth.MaxRequestsPerCall {
				continue // refused in any case
			}
		}
		t.values++
		switch {
		case within != nil:
			t.messages++
			if content, n := protowire.ConsumeBytes(value); n >= 0 && deeper > 0 {
				t.walk(content, within, nil, deeper-1)
			}
		case packed(f, kind):
			t.values += size // at most
		}
	}
}

// messageOf is the type of the message that a field of the wire holds; nil: it holds
// none. The entry of a map is one only where it has one within it.
func messageOf(f protoreflect.FieldDescriptor, kind protowire.Type) protoreflect.MessageDescriptor {
	if f == nil || kind != protowire.BytesType || f.IsMap() && f.MapValue().Message() == nil {
		return nil
	}
	return f.Message()
}

// packed is a list of numbers in one field of the wire.
func packed(f protoreflect.FieldDescriptor, kind protowire.Type) bool {
	return f != nil && kind == protowire.BytesType && f.IsList() && f.Kind() != protoreflect.StringKind && f.Kind() != protoreflect.BytesKind
}
