package serve

import (
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	grpccodes "google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/daemon"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want connect.Code
	}{
		{"of a list", fmt.Errorf("get r: %w", daemon.ErrNotFound), connect.CodeNotFound},
		{"the store does not answer a read", fmt.Errorf("get r: %w", grpcstatus.Error(grpccodes.Unavailable, "connection timed out")), connect.CodeUnavailable},
		{"unforeseen", errors.New("bug"), connect.CodeInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := codeOf(tt.err); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// A page that is too large, and an id of a group that is none, are told of by the field of the call.
func TestAsField(t *testing.T) {
	wrong := fmt.Errorf("list: %w", &berth.FieldError{Field: "limit", Value: "10001", Problem: "is out of range", Bound: "1 to 10000"})
	if err := asField(wrong, "limit", "page_size"); err.Error() != `page_size "10001" is out of range; allowed: 1 to 10000` {
		t.Error(err)
	}
	if err := asField(wrong, "group", "id"); !errors.Is(err, wrong) {
		t.Error(err)
	}
	s := &service{d: &daemon.Daemon{}}
	_, err := s.List(t.Context(), &berthv1.ListRequest{PageSize: -1})
	_, groupsErr := s.Groups(t.Context(), &berthv1.GroupsRequest{PageSize: -1})
	for _, err := range []error{err, groupsErr} {
		if fe, ok := errors.AsType[*berth.FieldError](err); !ok || fe.Field != "page_size" {
			t.Error(err)
		}
	}
}
