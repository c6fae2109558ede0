package invariant

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
)

// recordTypes has the record of every kind of key.
var recordTypes = map[string]reflect.Type{
	kindSchema:     reflect.TypeFor[schemaRecord](),
	kindWorker:     reflect.TypeFor[worker](),
	kindConditions: reflect.TypeFor[conditions](),
	kindIntent:     reflect.TypeFor[intent](),
	kindLedger:     reflect.TypeFor[ledger](),
	kindRequest:    reflect.TypeFor[submission](),
	kindState:      reflect.TypeFor[progress](),
	kindAllocation: reflect.TypeFor[allocation](),
	kindGroup:      reflect.TypeFor[group](),
	kindHold:       reflect.TypeFor[hold](),
	kindKeep:       reflect.TypeFor[keep](),
	kindArchive:    reflect.TypeFor[archive](),
	kindDaemon:     reflect.TypeFor[daemon](),
	kindPool:       reflect.TypeFor[pool](),
	kindTenant:     reflect.TypeFor[tenant](),
	kindBlock:      reflect.TypeFor[block](),
	kindSupply:     reflect.TypeFor[supply](),
	kindBrake:      reflect.TypeFor[brake](),
	kindPlan:       reflect.TypeFor[planBasis](),
}

// formatError is a value that breaks a clause 0.x.
type formatError struct{ clause, problem string }

func (e *formatError) Error() string { return e.problem }

// validator is implemented by records with words or bounds to check. id is the
// last part of the record's key.
type validator interface{ validate(c *checker, id string) }

// decode reads the record of a key in one pass, or says which clause 0.x it
// breaks.
func decode(n name, value []byte) (any, *formatError) {
	record := reflect.New(recordTypes[n.kind]).Interface()
	err := json.Unmarshal(value, record, strict)
	version := record.(versioned).version() //nolint:errcheck // every record has a header
	if err != nil {
		version = versionIn(value)
	}
	switch {
	case version > 1:
		return nil, &formatError{"0.3", fmt.Sprintf("version %d is newer than 1", version)}
	case err != nil:
		return nil, &formatError{"0.2", problemOf(err)}
	case version < 1:
		return nil, &formatError{"0.3", fmt.Sprintf("version %d", version)}
	}
	if v, ok := record.(validator); ok {
		c := &checker{}
		v.validate(c, n.id)
		if c.first != nil {
			return nil, c.first
		}
	}
	return record, nil
}

// versioned is implemented by every record, by its header.
type versioned interface{ version() int64 }

// versionIn is the version of what is no record of version 1, 0 without one: in
// a newer one the fields may be others.
func versionIn(value []byte) int64 {
	var h struct {
		Version int64 `json:"version"`
	}
	if json.Unmarshal(value, &h) != nil {
		return 0
	}
	return h.Version
}

// checker keeps the first broken bound of a record.
type checker struct{ first *formatError }

func (c *checker) fail(clause, format string, args ...any) {
	if c.first == nil {
		c.first = &formatError{clause, fmt.Sprintf(format, args...)}
	}
}

func (c *checker) need(ok bool, format string, args ...any) {
	if !ok {
		c.fail("0.5", format, args...)
	}
}

func (c *checker) word(field, value string, words []string) {
	if !slices.Contains(words, value) {
		c.fail("0.4", "field %q is %q, not one of %v", field, value, words)
	}
}

func (c *checker) id(field, value string) {
	c.need(validID(value), "field %q is %q, which is no id", field, value)
}

func (c *checker) least(field string, value, least int64) {
	c.need(value >= least, "field %q is %d, less than %d", field, value, least)
}
