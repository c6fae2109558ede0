package etcdstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/berthd/berth"
	"github.com/berthd/berth/plainjson"
)

// MaxValueBytes bounds every value. A request of berth.MaxRequestBytes fits, in
// its submission and in its archive record.
const MaxValueBytes = 256 << 10

// ErrNewerRecord says that a newer program wrote the record; this one must not
// touch it.
var ErrNewerRecord = errors.New("record is of a newer version than this program knows")

// Undecodable stands in a Fact for a value that cannot be read.
type Undecodable struct{ Err error }

// recordOf is a new record of a kind, or nil for a kind that is unknown.
func recordOf(kind berth.Kind) any {
	switch kind {
	case berth.KindSchema:
		return new(berth.Schema)
	case berth.KindWorker:
		return new(berth.Worker)
	case berth.KindConditions:
		return new(berth.Conditions)
	case berth.KindIntent:
		return new(berth.Intent)
	case berth.KindLedger:
		return new(berth.Ledger)
	case berth.KindRequest:
		return new(berth.Submission)
	case berth.KindState:
		return new(berth.Progress)
	case berth.KindAllocation:
		return new(berth.Allocation)
	case berth.KindGroup:
		return new(berth.Group)
	case berth.KindHold:
		return new(berth.Hold)
	case berth.KindArchive:
		return new(berth.Archive)
	case berth.KindDaemon:
		return new(berth.Daemon)
	case berth.KindPool:
		return new(berth.Pool)
	case berth.KindTenant:
		return new(berth.Tenant)
	case berth.KindQuotaBlock:
		return new(berth.QuotaBlock)
	case berth.KindSupply:
		return new(berth.Supply)
	case berth.KindBrake:
		return new(berth.Brake)
	}
	return nil
}

// Decode reads a value strictly: unknown fields and words, a newer version, too
// many bytes and trailing garbage are errors. It returns a pointer to the kind's
// record type.
func Decode(kind berth.Kind, value []byte) (any, error) {
	r := recordOf(kind)
	if r == nil {
		return nil, fmt.Errorf("kind %q is unknown", kind)
	}
	if len(value) > MaxValueBytes {
		return nil, fmt.Errorf("%s record is %d bytes; allowed: at most %d", kind, len(value), MaxValueBytes)
	}
	if plain, ok := decodePlain(kind, value); ok {
		return plain, nil
	}
	return decodeAny(kind, r, value)
}

// plain reads what this program writes, of the kinds that it writes.
var plain = func() map[berth.Kind]*plainjson.Reader {
	readers := map[berth.Kind]*plainjson.Reader{}
	for _, kind := range []berth.Kind{
		berth.KindSchema, berth.KindWorker, berth.KindConditions, berth.KindIntent, berth.KindLedger, berth.KindRequest,
		berth.KindState, berth.KindAllocation, berth.KindArchive, berth.KindDaemon, berth.KindPool, berth.KindBrake,
	} {
		readers[kind] = plainjson.For(reflect.TypeOf(recordOf(kind)).Elem(), false)
	}
	return readers
}()

// decodePlain reads nearly every value that there is. What it does not read may
// be good all the same: decodeAny says so, or why not.
func decodePlain(kind berth.Kind, value []byte) (any, bool) {
	reader := plain[kind]
	if reader == nil {
		return nil, false
	}
	r, ok := reader.Read(value)
	return r, ok && headerOf(r).Version == berth.RecordVersion && complete(r) == nil
}

// decodeAny fills r with value.
func decodeAny(kind berth.Kind, r any, value []byte) (any, error) {
	var h struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(value, &h); err != nil {
		return nil, fmt.Errorf("%s record: %w", kind, err)
	}
	switch {
	case h.Version > berth.RecordVersion:
		return nil, fmt.Errorf("%s record of version %d: %w", kind, h.Version, ErrNewerRecord)
	case h.Version < 1:
		return nil, fmt.Errorf("%s record has version %d; allowed: 1 to %d", kind, h.Version, berth.RecordVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("%s record: %w", kind, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s record: something follows the JSON value", kind)
	}
	if err := complete(r); err != nil {
		return nil, fmt.Errorf("%s record: %w", kind, err)
	}
	return r, nil
}

// encode makes the value of a record, whose header is set already.
func encode(record any) (string, error) {
	b, err := json.Marshal(record)
	if err != nil {
		return "", fmt.Errorf("encode record: %w", err)
	}
	if len(b) > MaxValueBytes {
		return "", fmt.Errorf("record is %d bytes; allowed: at most %d: %w", len(b), MaxValueBytes, ErrTooLarge)
	}
	return string(b), nil
}
