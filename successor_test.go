package berth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthd/berth"
)

func TestSuccessorID(t *testing.T) {
	for _, tt := range []struct {
		id, replaces string
		attempt      int64
		want         string
	}{
		{"web", "", 1, "web.r2"},
		{"web", "", 2, "web.r3"},
		{"web.r2", "web", 1, "web.r3"},
		{"web.r3", "web.r2", 4, "web.r7"},
		{"web.r2", "", 1, "web.r2.r2"}, // a user's own name
		{"web.r2.r2", "web.r2", 1, "web.r2.r3"},
		{"odd", "other", 1, "odd.r2"},
	} {
		r := berth.Request{ID: berth.RequestID(tt.id), Replaces: berth.RequestID(tt.replaces)}
		if got := r.SuccessorID(tt.attempt); string(got) != tt.want {
			t.Errorf("attempt %d of %s: %s, want %s", tt.attempt, tt.id, got, tt.want)
		}
	}
}

// A successor of any generation is a valid request, and is placed by the same key.
func TestSuccessor_Valid(t *testing.T) {
	r := berth.Request{ID: berth.RequestID(strings.Repeat("x", 120)), Command: []string{"true"}, OnDrain: berth.OnDrainReplace, PendingLimitMS: 5}.Normalize()
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	next := r
	for range 1000 {
		next = next.Successor(100)
		if err := next.Validate(); err != nil {
			t.Fatalf("%s: %v", next.ID, err)
		}
	}
	if next.Key() != string(r.ID) || next.PendingLimitMS != 0 {
		t.Errorf("%+v", next)
	}
	r.ID += "y"
	if fe, ok := errors.AsType[*berth.FieldError](r.Validate()); !ok || fe.Field != "id" {
		t.Errorf("an id that leaves no room: %v", r.Validate())
	}
	bad := berth.Request{ID: "r", Command: []string{"true"}, OnDrain: "dance"}.Normalize()
	if fe, ok := errors.AsType[*berth.FieldError](bad.Validate()); !ok || fe.Field != "on_drain" {
		t.Errorf("%v", bad.Validate())
	}
	stop := berth.Request{ID: "r", OnDrain: berth.OnDrainStop}.Normalize()
	if stop.OnDrain != "" {
		t.Errorf("the default is stored as %q", stop.OnDrain)
	}
}
