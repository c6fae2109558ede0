package invariant

import (
	"cmp"
	"fmt"
	"slices"
)

// Violation is one broken clause of one invariant, at one key.
type Violation struct {
	Invariant int    `json:"invariant"` // 1 to 8 of docs/design.md; 0: the form of a key or value
	Clause    string `json:"clause"`    // "2.1", as docs/keyspace.md numbers them
	Key       string `json:"key"`       // without the prefix
	Message   string `json:"message"`
	Revision  int64  `json:"revision"` // at which it was seen first
}

func (v Violation) String() string {
	return fmt.Sprintf("revision %d: %s: %s: %s", v.Revision, v.Clause, v.Key, v.Message)
}

// standing is what one violation is known by while it lasts: its numbers may
// change with every revision.
type standing struct{ clause, key string }

func (v Violation) standing() standing { return standing{v.Clause, v.Key} }

func sortViolations(list []Violation) []Violation {
	slices.SortFunc(list, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(len(a.Clause), len(b.Clause)),
			cmp.Compare(a.Clause, b.Clause), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message))
	})
	return list
}

// finder gathers violations while a check runs.
type finder struct {
	revision int64
	found    []Violation
}

func (f *finder) add(clause, key, format string, args ...any) {
	f.found = append(f.found, Violation{
		Invariant: int(clause[0] - '0'),
		Clause:    clause,
		Key:       key,
		Message:   fmt.Sprintf(format, args...),
		Revision:  f.revision,
	})
}
