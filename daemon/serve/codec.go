package serve

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth/api/wire"
)

// strictJSON refuses unknown fields: a limit that is misspelt must not be none.
type strictJSON struct{ name string }

func (c strictJSON) Name() string { return c.name }

func (c strictJSON) Marshal(m any) ([]byte, error) {
	p, ok := m.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", m)
	}
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(p)
}

func (c strictJSON) Unmarshal(b []byte, m any) error {
	p, ok := m.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", m)
	}
	if len(b) == 0 {
		return nil
	}
	err := protojson.Unmarshal(b, p)
	if err != nil {
		if number := wire.NumberError(b, p.ProtoReflect().Descriptor()); number != nil {
			return number
		}
	}
	return err
}
