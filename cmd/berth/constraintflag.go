package main

import (
	"regexp"
	"strings"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

var (
	setConstraint     = regexp.MustCompile(`^(\S+) (in|not in|notin) \((.*)\)$`)
	versionConstraint = regexp.MustCompile(`^(\S+) version (.+)$`)
	orderConstraint   = regexp.MustCompile(`^([^=!<>]+?) ?(!=|==?|<=?|>=?) ?(.*)$`)
)

// constraintOf reads what berth.Constraint.String writes, with or without its
// spaces. Validation refuses what makes no sense.
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
