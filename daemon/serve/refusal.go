package serve

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
)

// refusalField is the number of the unknown field in which a codec leaves why it has not
// unmarshalled a call. Of a codec's own error connect tells the text only, and no
// interceptor sees it: the caller would not learn the field. Who sends that field is
// refused in these words, and harms nobody.
const refusalField = protowire.MaxValidNumber

// leaveRefusal leaves it in the message, which is empty else.
func leaveRefusal(m proto.Message, why *berth.FieldError) error {
	content, err := proto.Marshal(wire.Violation(why))
	if err != nil {
		return err
	}
	m.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, refusalField, protowire.BytesType), content))
	return nil
}

// refusalIn is what was left in a message.
func refusalIn(m any) error {
	p, ok := m.(proto.Message)
	if !ok {
		return nil
	}
	unknown := p.ProtoReflect().GetUnknown()
	number, kind, n := protowire.ConsumeTag(unknown)
	if n < 0 || number != refusalField || kind != protowire.BytesType {
		return nil
	}
	content, n := protowire.ConsumeBytes(unknown[n:])
	var why berthv1.FieldViolation
	if n < 0 || proto.Unmarshal(content, &why) != nil {
		return nil
	}
	return wire.FieldError(&why)
}

// tellRefusals ends calls that a codec has refused.
type tellRefusals struct{}

func (tellRefusals) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := refusalIn(req.Any()); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

func (tellRefusals) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (tellRefusals) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return next(ctx, refusingConn{conn})
	}
}

type refusingConn struct{ connect.StreamingHandlerConn }

func (c refusingConn) Receive(m any) error {
	if err := c.StreamingHandlerConn.Receive(m); err != nil {
		return err
	}
	return refusalIn(m)
}
