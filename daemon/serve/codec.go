package serve

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth/api/wire"
)

// strictJSON refuses unknown fields: a limit that is misspelt must not be none. What
// holds too much it does not unmarshal.
type strictJSON struct{ name string }

func (c strictJSON) Name() string { return c.name }

func (c strictJSON) Marshal(m any) ([]byte, error) {
	p, err := message(m)
	if err != nil {
		return nil, err
	}
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(p)
}

func (c strictJSON) Unmarshal(b []byte, m any) error {
	p, err := message(m)
	if err != nil {
		return err
	}
	if len(b) == 0 {
		return nil
	}
	t := tallyJSON(b, p.ProtoReflect().Descriptor())
	if why := t.refusal(); why != nil {
		return leaveRefusal(p, why)
	}
	err = protojson.Unmarshal(b, p)
	if err != nil {
		if number := wire.NumberError(b, p.ProtoReflect().Descriptor()); number != nil {
			return number
		}
	}
	return err
}

// boundedProto is connect's own codec of protobuf, but that what holds too much is not
// unmarshalled.
type boundedProto struct{}

func (boundedProto) Name() string { return "proto" }

func (boundedProto) Marshal(m any) ([]byte, error) {
	p, err := message(m)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(p)
}

// MarshalAppend lets connect use its buffers again.
func (boundedProto) MarshalAppend(dst []byte, m any) ([]byte, error) {
	p, err := message(m)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, p)
}

func (boundedProto) Unmarshal(b []byte, m any) error {
	p, err := message(m)
	if err != nil {
		return err
	}
	t := tallyProto(b, p.ProtoReflect().Descriptor())
	if why := t.refusal(); why != nil {
		return leaveRefusal(p, why)
	}
	if err := proto.Unmarshal(b, p); err != nil {
		return fmt.Errorf("unmarshal into %T: %w", m, err)
	}
	return nil
}

func message(m any) (proto.Message, error) {
	p, ok := m.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", m)
	}
	return p, nil
}
