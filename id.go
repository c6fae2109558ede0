package berth

import "strings"

// Identifiers are distinct types so that one cannot be passed for another.
// RequestID, WorkerID, PoolID, TenantID, GroupID and DaemonID are 1 to
// MaxIDLength characters of [a-z0-9._-], beginning with a letter or a digit.
type (
	// RequestID names a request, chosen by its submitter: the key of idempotence.
	RequestID string
	// WorkerID names a worker; its keys carry it over all its epochs.
	WorkerID string
	// PoolID names a pool of workers of one shape and policy.
	PoolID string
	// TenantID names whom a request is counted against.
	TenantID string
	// GroupID names requests that are placed together or not at all.
	GroupID string
	// DaemonID names one running daemon.
	DaemonID string
	// TxnID names one transaction; a record carries the one that wrote it last.
	TxnID string
)

// Revision is an etcd revision: of the store, or a key's CreateRevision or ModRevision.
type Revision int64

// Epoch is the CreateRevision of a worker's presence key: one life of one worker.
type Epoch int64

// DefaultPool and DefaultTenant stand in requests and workers that name none.
const (
	DefaultPool   PoolID   = "default"
	DefaultTenant TenantID = "default"
)

// CheckID says whether id may name a thing; field is the name used in the error.
func CheckID(field, id string) error {
	if id == "" {
		return &FieldError{Field: field, Problem: "is empty", Bound: idBound}
	}
	if len(id) > MaxIDLength {
		return &FieldError{Field: field, Value: clip(id), Problem: "is too long", Bound: idBound}
	}
	for i := range len(id) {
		if !idByte(id[i], i == 0) {
			return &FieldError{Field: field, Value: clip(id), Problem: "has a character that is not allowed", Bound: idBound + lowerHint(id)}
		}
	}
	return nil
}

// lowerHint is the id that was meant, where only its letters are too large: H100.
func lowerHint(id string) string {
	lower := strings.ToLower(id)
	if lower == id || CheckID("", lower) != nil {
		return ""
	}
	return ": " + lower
}

const idBound = "1 to 128 characters of [a-z0-9._-], the first a letter or digit"

func idByte(c byte, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		return true
	case c == '.', c == '_', c == '-':
		return !first
	}
	return false
}
