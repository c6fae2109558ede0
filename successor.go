package berth

import (
	"iter"
	"strconv"
	"strings"
)

// OnDrain is what becomes of a request's container when its worker is drained.
type OnDrain string

// The choices. Stop is the default, and is stored as nothing.
const (
	OnDrainStop    OnDrain = "stop"    // it is stopped, then runs elsewhere
	OnDrainReplace OnDrain = "replace" // a successor runs elsewhere, then it is stopped
)

// UnmarshalText rejects every word that is not a choice.
func (o *OnDrain) UnmarshalText(b []byte) error {
	return decodeWord(o, b, "on_drain", []OnDrain{OnDrainStop, OnDrainReplace})
}

// successorRoom is what the id of a request keeps free for its successors' ".r17".
const successorRoom = 8

// successorIDs bounds the ids that are tried for a successor.
const successorIDs = 1000

// SuccessorIDs are the ids for a request that takes the place of attempt n of r
// when its worker is drained, of which the first that is free is taken: web,
// web.r2, web.r3. Those of a later attempt, and of a later successor, begin later.
func (r *Request) SuccessorIDs(attempt int64) iter.Seq[RequestID] {
	base, number := string(r.ID), int64(1)
	if r.Replaces != "" {
		base, number = splitSuccessor(base)
	}
	return func(yield func(RequestID) bool) {
		for n := number + attempt; n < number+attempt+successorIDs; n++ {
			if !yield(RequestID(base + ".r" + strconv.FormatInt(n, 10))) {
				return
			}
		}
	}
}

func splitSuccessor(id string) (base string, number int64) {
	if i := strings.LastIndex(id, ".r"); i > 0 {
		if n, err := strconv.ParseInt(id[i+2:], 10, 32); err == nil && n > 0 {
			return id[:i], n
		}
	}
	return id, 1
}

// Successor is the request that takes the place of r, which must be normalized,
// under one of its SuccessorIDs. It is placed where r would be, and has all of its
// time before it: attempts, run limit; but no limit on how long it may wait.
func (r *Request) Successor(id RequestID) Request {
	s := *r
	s.AffinityKey = r.Key()
	s.ID, s.Replaces = id, r.ID
	s.PendingLimitMS = 0
	return s
}

func (r Request) validateDrain() error {
	if r.OnDrain != "" {
		var o OnDrain
		if err := o.UnmarshalText([]byte(r.OnDrain)); err != nil {
			return &FieldError{Field: "on_drain", Value: clip(string(r.OnDrain)), Problem: "is unknown", Bound: "stop, replace"}
		}
	}
	if r.Replaces != "" {
		return CheckID("replaces", string(r.Replaces))
	}
	if r.OnDrain == OnDrainReplace && len(r.ID) > MaxIDLength-successorRoom {
		return &FieldError{Field: "id", Value: clip(string(r.ID)), Problem: "leaves no room for a successor's", Bound: "at most 120 characters with on_drain: replace"}
	}
	return nil
}
