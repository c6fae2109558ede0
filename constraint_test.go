package berth_test

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func TestConstraint_Allows(t *testing.T) {
	labels := map[string]string{"zone": "a", "empty": "", "nics": "2", "ghz": "2.4", "driver": "535.104.05", "kernel": "v6.1", "rc": "1.0.0-rc.1"}
	tests := []struct {
		name       string
		constraint berth.Constraint
		want       bool
	}{
		{"in", is("zone", berth.OperatorIn, "b", "a"), true},
		{"in other", is("zone", berth.OperatorIn, "b"), false},
		{"in, absent", is("rack", berth.OperatorIn, ""), false},
		{"in, empty value", is("empty", berth.OperatorIn, ""), true},
		{"not in", is("zone", berth.OperatorNotIn, "b"), true},
		{"not in, but is", is("zone", berth.OperatorNotIn, "a"), false},
		{"not in, absent", is("rack", berth.OperatorNotIn, "a"), true},
		{"exists", is("empty", berth.OperatorExists), true},
		{"exists, absent", is("rack", berth.OperatorExists), false},
		{"not exists", is("rack", berth.OperatorNotExists), true},
		{"not exists, but does", is("zone", berth.OperatorNotExists), false},
		{"less", is("nics", berth.OperatorLess, "2.5"), true},
		{"less, but equal", is("nics", berth.OperatorLess, "2"), false},
		{"at most, equal", is("nics", berth.OperatorAtMost, "2.0"), true},
		{"more, as numbers and not as texts", is("nics", berth.OperatorMore, "10"), false},
		{"more", is("ghz", berth.OperatorMore, "2.39"), true},
		{"at least, equal", is("ghz", berth.OperatorAtLeast, "2.4"), true},
		{"at least, absent", is("rack", berth.OperatorAtLeast, "-1"), false},
		{"less, no number", is("zone", berth.OperatorLess, "1"), false},
		{"less, empty label", is("empty", berth.OperatorLess, "1"), false},
		{"version of a driver", is("driver", berth.OperatorVersion, ">=535.104, <560"), true},
		{"version too old", is("driver", berth.OperatorVersion, ">=535.105"), false},
		{"version with a v, part of it", is("kernel", berth.OperatorVersion, "~6"), true},
		{"one of two ranges", is("kernel", berth.OperatorVersion, "^5 || ^6.1"), true},
		{"a prerelease is not named", is("rc", berth.OperatorVersion, ">=0.9"), false},
		{"a prerelease is named", is("rc", berth.OperatorVersion, ">=1.0.0-rc.1"), true},
		{"version, no version", is("zone", berth.OperatorVersion, ">=0"), false},
		{"version, absent", is("rack", berth.OperatorVersion, ">=0"), false},
		{"invalid range", is("driver", berth.OperatorVersion, "newest"), false},
		{"unknown operator", is("zone", "like"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.constraint.Allows(labels); got != tt.want {
				t.Errorf("%s allows %t, want %t", tt.constraint, got, tt.want)
			}
		})
	}
}

func is(label string, o berth.Operator, values ...string) berth.Constraint {
	return berth.Constraint{Label: label, Operator: o, Values: values}
}

// Of whole numbers, each operator says what Go's says.
func TestConstraint_Numbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := rapid.Int64Range(-1<<62, 1<<62).Draw(t, "have"), rapid.Int64Range(-1<<62, 1<<62).Draw(t, "want")
		if rapid.Bool().Draw(t, "near") {
			have = want + rapid.Int64Range(-1, 1).Draw(t, "by")
		}
		labels := map[string]string{"n": strconv.FormatInt(have, 10)}
		for o, expected := range map[berth.Operator]bool{
			berth.OperatorLess: have < want, berth.OperatorAtMost: have <= want, berth.OperatorMore: have > want, berth.OperatorAtLeast: have >= want,
		} {
			if c := is("n", o, strconv.FormatInt(want, 10)); c.Allows(labels) != expected {
				t.Fatalf("%d %s: %t", have, c, !expected)
			}
		}
	})
}

// Every spelling is stored as one word, so that it makes no other request; the
// caller's list stays as it is, and so does the digest of a request that says "in".
func TestNormalize_Operators(t *testing.T) {
	for spelling, word := range map[berth.Operator]berth.Operator{
		"=": "in", "==": "in", "In": "in", "!=": "not_in", "NotIn": "not_in", "Exists": "exists", "is_set": "exists",
		"DoesNotExist": "not_exists", "is_not_set": "not_exists", "<": "lt", "Lt": "lt", "<=": "le", ">": "gt", "Gt": "gt", ">=": "ge", "semver": "version",
		"in": "in", "like": "like",
	} {
		given := berth.Request{Constraints: []berth.Constraint{is("a", berth.OperatorExists), is("n", spelling, "1")}}
		got := given.Normalize()
		if got.Constraints[1].Operator != word || given.Constraints[1].Operator != spelling {
			t.Errorf("%q is stored as %q, and was made %q in the list that was given", spelling, got.Constraints[1].Operator, given.Constraints[1].Operator)
		}
	}
}
