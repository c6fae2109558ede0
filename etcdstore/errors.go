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
	// ErrMalformed: etcd refuses it whenever it is sent, as two writes of one key.
	// A bug of ours in one member of a plan: halve the plan to find it.
	ErrMalformed = errors.New("transaction is malformed")
	// ErrNoSpace: the store has raised its space alarm.
	ErrNoSpace = errors.New("store is out of space")
	// ErrNewerSchema: a newer program has raised the keyspace's layout.
	ErrNewerSchema = errors.New("the store's layout is newer than this program; upgrade it")
	// ErrClusterChanged: another etcd cluster answers than the one that the store
	// was opened on: a backup was restored. Its answer is of another history.
	ErrClusterChanged = errors.New("another etcd cluster answers than before: the store was restored or replaced")
	// ErrNoSchema: the key that every transaction compares is gone.
	ErrNoSchema = errors.New("the schema key is gone: another hand has deleted keys of the store; run berth fsck, and restore a backup")
	// ErrWorkerNameTaken: a living worker of that name is not ours.
	ErrWorkerNameTaken = errors.New("a living worker has this name")
	// ErrWorkerRemoved: an operator is removing the worker; berth uncordon takes that back.
	ErrWorkerRemoved = errors.New("the worker is being removed: stop and disable its agent, or berth uncordon it")
	// ErrLeaseGone: the lease is over, or of another cluster.
	ErrLeaseGone = errors.New("the lease is over")
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

// refusedBefore maps the errors that prove that nothing was applied; all other
// errors leave the outcome unknown. always: the very same transaction is refused
// whenever it is sent, so an earlier copy was not applied either.
func refusedBefore(err error) (refused, always bool, _ error) {
	switch codeOf(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return true, false, err
	case codes.NotFound:
		if rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(rpctypes.ErrGRPCLeaseNotFound) {
			// No lease comes back: what an earlier copy put under it went with it.
			return true, true, fmt.Errorf("%w: %w", ErrLeaseGone, err)
		}
	case codes.InvalidArgument:
		switch rpctypes.ErrorDesc(err) {
		case rpctypes.ErrorDesc(rpctypes.ErrGRPCRequestTooLarge), rpctypes.ErrorDesc(rpctypes.ErrGRPCTooManyOps):
			return true, true, fmt.Errorf("%w: %w", ErrTooLarge, err)
		case rpctypes.ErrorDesc(rpctypes.ErrGRPCDuplicateKey), rpctypes.ErrorDesc(rpctypes.ErrGRPCEmptyKey):
			return true, true, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	return false, false, nil
}

// codeOf is the code of an error of etcd's client, which hides it in a type.
func codeOf(err error) codes.Code {
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return e.Code()
	}
	return status.Code(err)
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
	code := codeOf(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}
