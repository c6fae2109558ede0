package daemon

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// What the store has not answered in time is asked again, and nothing else is.
func TestPatiently(t *testing.T) {
	t.Parallel()
	late, broken := fmt.Errorf("read 3 keys: %w", context.DeadlineExceeded), errors.New("broken")
	for _, tt := range []struct {
		name    string
		answers []error
		asked   int
		want    error
	}{
		{"at once", []error{nil}, 1, nil},
		{"late", []error{late, late, nil}, 3, nil},
		{"broken", []error{late, broken, nil}, 2, broken},
		{"never", []error{late, late, late, late, late, late}, 4, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 7*pause/2)
				defer cancel()
				asked := 0
				err := patiently(ctx, func() error { asked++; return tt.answers[asked-1] })
				if asked != tt.asked || !errors.Is(err, tt.want) {
					t.Errorf("asked %d times: %v; want %d times, %v", asked, err, tt.asked, tt.want)
				}
			})
		})
	}
}
