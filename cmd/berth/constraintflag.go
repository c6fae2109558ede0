package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

var (
	setConstraint     = regexp.MustCompile(`^(\S+) (in|not in|notin) \((.*)\)$`)
	versionConstraint = regexp.MustCompile(`^(\S+) version (.+)$`)
	orderConstraint   = regexp.MustCompile(`^([^=!<>]+?) ?(!=|==?|<=?|>=?) ?(.*)$`)
)

// What stands for an operator cannot stand in a label, nor be the first of a value: what
// looks like it is a spelling of another language, and would be taken for a label's name.
const operatorMarks = "=!<>~"

// readConstraint refuses what cannot be a constraint as a flag has it. That a value makes
// no sense with its operator, validation tells.
func readConstraint(text string) (*berthv1.Constraint, error) {
	c := constraintOf(text)
	wrong := c.GetLabel() == "" || strings.ContainsAny(c.GetLabel(), operatorMarks+"() \t")
	switch c.GetOperator() {
	case string(berth.OperatorVersion):
	case string(berth.OperatorIn), string(berth.OperatorNotIn):
		wrong = wrong || slices.Contains(c.GetValues(), "")
	default:
		wrong = wrong || len(c.GetValues()) == 1 && c.GetValues()[0] != "" && strings.ContainsRune(operatorMarks, rune(c.GetValues()[0][0]))
	}
	if wrong {
		return nil, &berth.FieldError{
			Field: "constraint", Value: berth.Clip(text, 64), Problem: "cannot be read",
			Bound: "LABEL=VALUE, LABEL!=VALUE, LABEL, !LABEL, LABEL>=NUMBER (also <, <=, >), LABEL in (A,B), LABEL not in (A,B), LABEL version RANGE",
		}
	}
	return c, nil
}

// constraintOf reads what berth.Constraint.String writes, with or without its
// spaces.
func constraintOf(text string) *berthv1.Constraint {
	if m := setConstraint.FindStringSubmatch(text); m != nil {
		c := &berthv1.Constraint{Label: m[1], Operator: string(berth.OperatorIn), Values: strings.Split(m[3], ",")}
		if m[2] != "in" {
			c.Operator = string(berth.OperatorNotIn)
		}
		return c
	}
	if m := versionConstraint.FindStringSubmatch(text); m != nil {
		return &berthv1.Constraint{Label: m[1], Operator: string(berth.OperatorVersion), Values: []string{m[2]}}
	}
	if m := orderConstraint.FindStringSubmatch(text); m != nil {
		return &berthv1.Constraint{Label: m[1], Operator: m[2], Values: []string{m[3]}}
	}
	if label, ok := strings.CutPrefix(text, "!"); ok {
		return &berthv1.Constraint{Label: label, Operator: string(berth.OperatorNotExists)}
	}
	return &berthv1.Constraint{Label: text, Operator: string(berth.OperatorExists)}
}
