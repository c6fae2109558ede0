package wire_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/api/wire"
)

// Whatever bytes a worker or a user's field brings, the message can be sent.
func TestMessages_NoUTF8(t *testing.T) {
	const bytes = "a\xff\xc3"
	for name, m := range map[string]proto.Message{
		"exit":       wire.Exit(&berth.Exit{Kind: berth.ExitStartFailed, Signal: bytes, Message: bytes}),
		"stop order": wire.StopOrder(&berth.StopOrder{Reason: berth.StopCancel, Message: bytes}),
		"verdict":    wire.Verdict(&berth.Verdict{Reasons: []berth.Reason{{Detail: bytes}}}),
		"violation":  wire.Violation(&berth.FieldError{Field: bytes, Value: bytes, Problem: bytes, Bound: bytes}),
	} {
		if _, err := proto.Marshal(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
