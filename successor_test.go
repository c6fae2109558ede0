package berth_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthd/berth"
)

func TestSuccessorIDs(t *testing.T) {
	for _, tt := range []struct {
		id, replaces string
		attempt      int64
		want         string // the first, the second
	}{
		{"web", "", 1, "web.r2 web.r3"},
		{"web", "", 2, "web.r3 web.r4"},
		{"web.r2", "web", 1, "web.r3 web.r4"},
		{"web.r3", "web.r2", 4, "web.r7 web.r8"},
		{"web.r2", "", 1, "web.r2.r2 web.r2.r3"}, // a user's own name
		{"web.r2.r2", "web.r2", 1, "web.r2.r3 web.r2.r4"},
		{"odd", "other", 1, "odd.r2 odd.r3"},
	} {
		r := berth.Request{ID: berth.RequestID(tt.id), Replaces: berth.RequestID(tt.replaces)}
		all := slices.Collect(r.SuccessorIDs(tt.attempt))
		if got := fmt.Sprint(all[0], " ", all[1]); got != tt.want || len(all) != 1000 {
			t.Errorf("attempt %d of %s: %d, from %s; want %s", tt.attempt, tt.id, len(all), got, tt.want)
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
		for id := range next.SuccessorIDs(100) {
			next = next.Successor(id)
			break
		}
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
