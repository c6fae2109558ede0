package etcdstore

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/berthd/berth"
)

// What a caller branches on. A write is done, refused or unknown.
var (
	// ErrOutcomeUnknown: no answer came before the context ended. The same
	// transaction may still apply; only sending it again can tell.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrTooLarge: refused before it was proposed; halve the plan.
	ErrTooLarge = errors.New("transaction too large")
	// ErrNoSpace: the store has raised its space alarm.
	ErrNoSpace = errors.New("store is out of space")
	// ErrNewerSchema: a newer program has raised the keyspace's layout.
	ErrNewerSchema = errors.New("the store's layout is newer than this program; upgrade it")
	// ErrWorkerNameTaken: a living worker of that name is not ours.
	ErrWorkerNameTaken = errors.New("a living worker has this name")
	// ErrEpochGone: the worker's presence key is not of that epoch.
	ErrEpochGone = errors.New("the worker's epoch is over")
)

// ConflictError says that something a transaction compared had changed. Facts is
// what every compared key held at revision At: plan again from them.
type ConflictError struct {
	At    berth.Revision
	Facts []berth.Fact
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflict at revision %d", e.At)
}

// refusedBefore maps the errors that prove that nothing was proposed; all other
// errors leave the outcome unknown.
func refusedBefore(err error) (bool, error) {
	if s, ok := status.FromError(err); ok {
		switch s.Code() {
		case codes.PermissionDenied, codes.Unauthenticated:
			return true, err
		}
	}
	switch rpctypes.ErrorDesc(err) {
	case rpctypes.ErrRequestTooLarge.Error(), rpctypes.ErrTooManyOps.Error(),
		rpctypes.ErrorDesc(rpctypes.ErrGRPCRequestTooLarge), rpctypes.ErrorDesc(rpctypes.ErrGRPCTooManyOps):
		return true, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return false, nil
}

func isNoSpace(err error) bool {
	return rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(rpctypes.ErrGRPCNoSpace)
}

// Unreachable says whether an error means that etcd did not answer, so that
// trying again later may help.
func Unreachable(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
		return true
	}
	s, ok := status.FromError(err)
	return ok && (s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded)
}
