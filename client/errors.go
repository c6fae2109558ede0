package client

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// UnreachableError means that no daemon answers.
type UnreachableError struct {
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no daemon answers at %s: %v", e.Address, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// NotDaemonError means that what answers at an address is another server.
type NotDaemonError struct {
	Address string
	Status  string // its answer
}

func (e *NotDaemonError) Error() string {
	return fmt.Sprintf("what answers at %s is no Berth daemon (it says %q)", e.Address, e.Status)
}

// ofOthers are the statuses that no daemon, and no proxy before one, answers a call with in any form but the API's.
var ofOthers = []int{http.StatusOK, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType}

// knowing refuses what does not answer as a daemon does.
type knowing struct {
	*http.Transport
	address string
}

func (k knowing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := k.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	form := resp.Header.Get("Content-Type")
	if slices.Contains(ofOthers, resp.StatusCode) && !strings.HasPrefix(form, "application/proto") && !strings.HasPrefix(form, "application/json") && !strings.HasPrefix(form, "application/connect+") {
		_ = resp.Body.Close() // nothing in it is of use
		return nil, &NotDaemonError{Address: k.address, Status: resp.Status}
	}
	return resp, nil
}

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
