package berth

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Operator compares a worker's label in a Constraint.
type Operator string

// The operators of constraints, as they are stored.
const (
	OperatorIn        Operator = "in"
	OperatorNotIn     Operator = "not_in"
	OperatorExists    Operator = "exists"
	OperatorNotExists Operator = "not_exists"
	OperatorLess      Operator = "lt" // of numbers, as the next three
	OperatorAtMost    Operator = "le"
	OperatorMore      Operator = "gt"
	OperatorAtLeast   Operator = "ge"
	OperatorVersion   Operator = "version" // within a range of semantic versions
)

// spellings are other words for the operators: those of Kubernetes and Nomad.
// Normalize replaces them, so that one way is stored and equal requests have equal
// digests.
var spellings = map[Operator]Operator{
	"=": OperatorIn, "==": OperatorIn, "In": OperatorIn,
	"!=": OperatorNotIn, "NotIn": OperatorNotIn,
	"Exists": OperatorExists, "is_set": OperatorExists,
	"DoesNotExist": OperatorNotExists, "is_not_set": OperatorNotExists,
	"<": OperatorLess, "Lt": OperatorLess, "<=": OperatorAtMost,
	">": OperatorMore, "Gt": OperatorMore, ">=": OperatorAtLeast,
	"semver": OperatorVersion,
}

const operatorBound = "in (=), not_in (!=), exists, not_exists, lt (<), le (<=), gt (>), ge (>=), version"

// UnmarshalText rejects every word that is not an operator.
func (o *Operator) UnmarshalText(b []byte) error {
	return decodeWord(o, b, "operator", []Operator{
		OperatorIn, OperatorNotIn, OperatorExists, OperatorNotExists,
		OperatorLess, OperatorAtMost, OperatorMore, OperatorAtLeast, OperatorVersion,
	})
}

// numeric says whether o compares numbers.
func (o Operator) numeric() bool {
	return o == OperatorLess || o == OperatorAtMost || o == OperatorMore || o == OperatorAtLeast
}

// Constraint is a condition on a worker's label.
type Constraint struct {
	Label    string   `json:"label"`
	Operator Operator `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// Allows says whether a worker with these labels satisfies c: see Matcher.
func (c Constraint) Allows(labels map[string]string) bool {
	m := c.Matcher()
	return m.Allows(labels)
}

// Selector is constraints that must all hold, read once to be asked often.
type Selector []Matcher

// Add appends constraints to s, as append does.
func (s Selector) Add(constraints []Constraint) Selector {
	for i := range constraints {
		s = append(s, constraints[i].Matcher())
	}
	return s
}

// Allows says whether a worker with these labels satisfies all.
func (s Selector) Allows(labels map[string]string) bool {
	for i := range s {
		if !s[i].Allows(labels) {
			return false
		}
	}
	return true
}

// Matcher is a constraint that was read once, to be asked often.
type Matcher struct {
	Constraint
	number   decimal
	versions *semver.Constraints
}

// Matcher reads the constraint. Of one that is not valid it allows nothing.
func (c Constraint) Matcher() Matcher {
	m := Matcher{Constraint: c}
	switch {
	case len(c.Values) != 1:
	case c.Operator.numeric():
		m.number, _ = parseNumber(c.Values[0])
	case c.Operator == OperatorVersion:
		m.versions, _ = semver.NewConstraint(c.Values[0])
	}
	return m
}

// Allows says whether a worker with these labels satisfies the constraint. A label
// that is absent is in no set, is no number and no version; neither is a text that
// cannot be read as one.
func (m *Matcher) Allows(labels map[string]string) bool {
	v, ok := labels[m.Label]
	switch m.Operator {
	case OperatorIn:
		return ok && slices.Contains(m.Values, v)
	case OperatorNotIn:
		return !ok || !slices.Contains(m.Values, v)
	case OperatorExists:
		return ok
	case OperatorNotExists:
		return !ok
	case OperatorVersion:
		version, err := semver.NewVersion(v)
		return ok && err == nil && m.versions != nil && m.versions.Check(version)
	}
	n, isNumber := parseNumber(v)
	if !ok || !isNumber || len(m.Values) != 1 {
		return false
	}
	order := n.compare(m.number)
	switch m.Operator {
	case OperatorLess:
		return order < 0
	case OperatorAtMost:
		return order <= 0
	case OperatorMore:
		return order > 0
	case OperatorAtLeast:
		return order >= 0
	}
	return false
}

// decimal is a number of a label. Whole ones are compared as such: a float64 takes
// those above 2^53, as sizes in bytes may be, for their neighbours.
type decimal struct {
	near  float64
	exact int64
	whole bool
}

func (d decimal) compare(o decimal) int {
	if d.whole && o.whole {
		return cmp.Compare(d.exact, o.exact)
	}
	return cmp.Compare(d.near, o.near)
}

// parseNumber reads a decimal number, and none of the other ways in which Go
// writes one (hexadecimal, "inf", "1_000"): other programs would read those otherwise.
func parseNumber(s string) (d decimal, ok bool) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return decimal{}, false
	}
	var err error
	if d.exact, err = strconv.ParseInt(s, 10, 64); err == nil {
		return decimal{near: float64(d.exact), exact: d.exact, whole: true}, true
	}
	d.near, err = strconv.ParseFloat(s, 64)
	return decimal{near: d.near}, err == nil
}

// most characters of a constraint in words: it may be very long.
const constraintWords = 120

// String is the constraint in words, as `berth submit --constraint` takes them.
func (c Constraint) String() string {
	text := ""
	switch c.Operator {
	case OperatorExists:
		text = c.Label
	case OperatorNotExists:
		text = "!" + c.Label
	default:
		values := strings.Join(slices.Sorted(slices.Values(c.Values)), ",")
		if len(c.Values) != 1 && (c.Operator == OperatorIn || c.Operator == OperatorNotIn) {
			values = "(" + values + ")"
		}
		text = c.Label + " " + c.sign() + " " + values
	}
	if len(text) > constraintWords {
		text = strings.ToValidUTF8(text[:constraintWords], "") + "…"
	}
	return text
}

func (c Constraint) sign() string {
	one := len(c.Values) == 1
	switch c.Operator {
	case OperatorIn:
		if one {
			return "="
		}
	case OperatorNotIn:
		if one {
			return "!="
		}
		return "not in"
	case OperatorLess:
		return "<"
	case OperatorAtMost:
		return "<="
	case OperatorMore:
		return ">"
	case OperatorAtLeast:
		return ">="
	}
	return string(c.Operator)
}

// normalizeConstraints writes the operators of constraints as they are stored. The caller's
// list stays as it is.
func normalizeConstraints(constraints []Constraint) []Constraint {
	other := func(c Constraint) bool { return spellings[c.Operator] != "" }
	if !slices.ContainsFunc(constraints, other) {
		return constraints
	}
	out := slices.Clone(constraints)
	for i := range out {
		out[i].Operator = wordOf(spellings, out[i].Operator)
	}
	return out
}

func validateConstraints(field string, constraints []Constraint) error {
	if err := checkCount(field, len(constraints), MaxConstraints); err != nil {
		return err
	}
	for i, c := range constraints {
		if err := c.validate(); err != nil {
			return inField(fmt.Sprintf("%s[%d].", field, i), err)
		}
	}
	return nil
}

func (c Constraint) validate() error {
	if c.Label == "" {
		return &FieldError{Field: "label", Problem: "is empty", Bound: textBound(MaxLabelBytes)}
	}
	if err := checkText("label", c.Label, MaxLabelBytes); err != nil {
		return err
	}
	var o Operator
	if err := o.UnmarshalText([]byte(c.Operator)); err != nil {
		return &FieldError{Field: "operator", Value: clip(string(c.Operator)), Problem: "is unknown", Bound: operatorBound}
	}
	if err := checkCount("values", len(c.Values), MaxConstraintValues); err != nil {
		return err
	}
	for _, v := range c.Values {
		if err := checkText("values", v, MaxLabelBytes); err != nil {
			return err
		}
	}
	return c.validateValues()
}

func (c Constraint) validateValues() error {
	n := len(c.Values)
	switch c.Operator {
	case OperatorExists, OperatorNotExists:
		if n > 0 {
			return &FieldError{Field: "values", Problem: "is not empty", Bound: "none with " + string(c.Operator)}
		}
	case OperatorIn, OperatorNotIn:
		if n == 0 {
			return &FieldError{Field: "values", Problem: "is empty", Bound: fmt.Sprintf("1 to %d with %s", MaxConstraintValues, c.Operator)}
		}
	default:
		if n != 1 {
			return &FieldError{Field: "values", Problem: fmt.Sprintf("has %d entries", n), Bound: "exactly one with " + string(c.Operator)}
		}
		return c.validateOrder()
	}
	return nil
}

// validateOrder is of the one value of an operator that orders.
func (c Constraint) validateOrder() error {
	if c.Operator == OperatorVersion {
		if _, err := semver.NewConstraint(c.Values[0]); err != nil {
			return &FieldError{Field: "values", Value: clip(c.Values[0]), Problem: "is no range of versions", Bound: "such as >=535.104, <560 or ~1.2 || ^3"}
		}
		return nil
	}
	if _, ok := parseNumber(c.Values[0]); !ok {
		return &FieldError{Field: "values", Value: clip(c.Values[0]), Problem: "is no number", Bound: "a decimal number, with " + string(c.Operator)}
	}
	return nil
}
