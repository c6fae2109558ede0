package serve

import (
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	grpccodes "google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

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
