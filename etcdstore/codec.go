package etcdstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore/hotjson"
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
	case berth.KindKeep:
		return new(berth.Keep)
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
	case berth.KindPlan:
		return new(berth.PlanBasis)
	case berth.KindBrake:
		return new(berth.Brake)
	}
	return nil
}

// Decode reads a value in one pass and strictly: unknown fields and words, names
// that stand twice or in another case, a newer version, too many bytes, bytes that
// are not UTF-8 and trailing garbage are errors. It returns a pointer to the kind's
// record type.
func Decode(kind berth.Kind, value []byte) (any, error) {
	r := recordOf(kind)
	if r == nil {
		return nil, fmt.Errorf("kind %q is unknown", kind)
	}
	if len(value) > MaxValueBytes {
		return nil, fmt.Errorf("%s record is %d bytes; allowed: at most %d", kind, len(value), MaxValueBytes)
	}
	var unread error
	if !hotjson.Read(value, r) {
		r = recordOf(kind)
		unread = jsonv2.Unmarshal(value, r, jsonv2.RejectUnknownMembers(true))
	}
	version := headerOf(r).Version
	if unread != nil {
		version = versionIn(value)
	}
	switch {
	case version > berth.RecordVersion:
		return nil, fmt.Errorf("%s record of version %d: %w", kind, version, ErrNewerRecord)
	case unread != nil:
		return nil, fmt.Errorf("%s record: %w", kind, inField(unread))
	case version < 1:
		return nil, fmt.Errorf("%s record has version %d; allowed: 1 to %d", kind, version, berth.RecordVersion)
	}
	if err := complete(r); err != nil {
		return nil, fmt.Errorf("%s record: %w", kind, err)
	}
	return r, nil
}

// versionIn is the version of what cannot be read as a record, 0 without one: a
// newer program may have written it, with fields that are unknown here.
func versionIn(value []byte) int {
	var h struct {
		Version int `json:"version"`
	}
	if jsonv2.Unmarshal(value, &h) != nil {
		return 0
	}
	return h.Version
}

// inField says of what JSON is refused which field is wrong. The library's own
// text names types of Go, and is worded otherwise from one process to the next.
func inField(err error) error {
	bad, ok := errors.AsType[*jsonv2.SemanticError](err)
	if !ok {
		return err
	}
	if bad.JSONPointer == "" {
		return errors.New("is no JSON object")
	}
	field := strings.Join(slices.Collect(bad.JSONPointer.Tokens()), ".")
	if bad.Err == nil {
		return fmt.Errorf("field %q is of another type", field)
	}
	return fmt.Errorf("field %q: %w", field, bad.Err)
}

// ContentOf is a request as it stands in its record, as JSON: what its digest is of.
func ContentOf(r *berth.Request) []byte { return hotjson.AppendRequest(make([]byte, 0, valueBytes), r) }

// appendRecord writes the value of a record, whose header is set already, behind b.
func appendRecord(b []byte, record any) ([]byte, error) {
	out, ok := hotjson.Append(b, record)
	if !ok {
		value, err := json.Marshal(record)
		if err != nil {
			return nil, fmt.Errorf("encode record: %w: %w", ErrMalformed, err)
		}
		out = append(out, value...)
	}
	return out, checkValue(len(out) - len(b))
}

// appendSubmission is appendRecord of one whose content is made already.
func appendSubmission(b []byte, record *berth.Submission, content []byte) ([]byte, error) {
	if content == nil {
		return appendRecord(b, record)
	}
	out, ok := hotjson.AppendSubmission(b, record, content)
	if !ok {
		return appendRecord(b, record)
	}
	return out, checkValue(len(out) - len(b))
}

func checkValue(n int) error {
	if n > MaxValueBytes {
		return fmt.Errorf("record is %d bytes; allowed: at most %d: %w", n, MaxValueBytes, ErrTooLarge)
	}
	return nil
}
