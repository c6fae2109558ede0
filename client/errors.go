package client

import "fmt"

// UnreachableError means that no daemon answers.
type UnreachableError struct {
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no daemon answers at %s: %v", e.Address, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Codes of a CallError, and of a refusal in a SubmitResult.
const (
	CodeNotFound           = "not_found"
	CodeAlreadyExists      = "already_exists"
	CodeInvalidArgument    = "invalid_argument"
	CodeResourceExhausted  = "resource_exhausted"
	CodeUnimplemented      = "unimplemented"
	CodeUnavailable        = "unavailable"
	CodeFailedPrecondition = "failed_precondition"
)

// CallError is a daemon's refusal. A value out of its bound comes as a
// *berth.FieldError instead.
type CallError struct {
	Code    string
	Message string
	err     error
}

func (e *CallError) Error() string { return e.Message }

func (e *CallError) Unwrap() error { return e.err }
