package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func readRelations(c *cli.Context, r *berthv1.Request) error {
	for name, to := range map[string]*[]*berthv1.Affinity{"affinity": &r.Affinity, "anti-affinity": &r.AntiAffinity} {
		for _, text := range c.StringSlice(name) {
			s, err := relationOf(name, text)
			if err != nil {
				return err
			}
			if s.GetMaxSkew() != 0 {
				return relationError(name, text)
			}
			*to = append(*to, &berthv1.Affinity{Requests: s.GetRequests(), Topology: s.GetTopology(), Weight: s.GetWeight()})
		}
	}
	for name, to := range map[string]*[]*berthv1.Affinity{"affinity-workers": &r.Affinity, "anti-affinity-workers": &r.AntiAffinity} {
		for _, text := range c.StringSlice(name) {
			a, err := workersOf(name, text)
			if err != nil {
				return err
			}
			*to = append(*to, a)
		}
	}
	for _, text := range c.StringSlice("spread") {
		s, err := relationOf("spread", text)
		if err != nil {
			return err
		}
		r.Spread = append(r.Spread, s)
	}
	return nil
}

// relationOf reads LABEL=VALUE[@TOPOLOGY][/SKEW][:WEIGHT], each mark the last of its
// kind: a value may hold others.
func relationOf(field, text string) (*berthv1.Spread, error) {
	s := &berthv1.Spread{Requests: &berthv1.RequestLabel{}}
	rest, weight, err := cutNumber(text, ':')
	if err != nil {
		return nil, relationError(field, text)
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if s.Topology, s.MaxSkew, err = cutNumber(rest[at+1:], '/'); err != nil || s.GetTopology() == "" {
			return nil, relationError(field, text)
		}
		rest = rest[:at]
	}
	label, value, ok := strings.Cut(rest, "=")
	if !ok || label == "" {
		return nil, relationError(field, text)
	}
	if of, is := strings.CutPrefix(text, "workers:"); is && field != "spread" {
		return nil, &berth.FieldError{Field: field, Value: text, Problem: "is about requests with a label workers:...", Bound: "for labels of workers --" + field + "-workers '" + of + "'"}
	}
	if strings.Contains(label, ":") { // it would select requests with such a label, of which there are none
		return nil, &berth.FieldError{
			Field: field, Value: berth.Clip(text, 64), Problem: "has a colon in the label of requests",
			Bound: relationBound + "; labels of workers are for --affinity-workers and --anti-affinity-workers, and a label with a colon for a file (submit -f)",
		}
	}
	s.Weight, s.Requests.Label, s.Requests.Value = weight, label, value
	return s, nil
}

// workersOf reads CONSTRAINT[ & CONSTRAINT]:WEIGHT.
func workersOf(field, text string) (*berthv1.Affinity, error) {
	unreadable := &berth.FieldError{
		Field: field, Value: text, Problem: "cannot be read",
		Bound: fmt.Sprintf("CONSTRAINT[ & CONSTRAINT]:WEIGHT, each constraint as --constraint has it, the weight from 1 to %d: 'disk=ssd:30'", berth.MaxWeight),
	}
	all, weight, err := cutNumber(text, ':')
	if err != nil || weight == 0 {
		return nil, unreadable
	}
	if strings.Contains(all, "@") { // a topology, which it would take for a part of the value
		unreadable.Problem = "has an @"
		unreadable.Bound += "; a topology is of other requests (--affinity, --anti-affinity), and a value with an @ for a file (submit -f)"
		return nil, unreadable
	}
	a := &berthv1.Affinity{Weight: weight}
	for one := range strings.SplitSeq(all, " & ") {
		c, err := readConstraint(strings.TrimSpace(one))
		if err != nil {
			return nil, unreadable
		}
		a.Workers = append(a.Workers, c)
	}
	return a, nil
}

var relationBound = fmt.Sprintf("LABEL=VALUE[@TOPOLOGY][:WEIGHT], the weight from 1 to %d; with spread also /SKEW behind the topology, from 1 to %d", berth.MaxWeight, berth.MaxSkew)

func relationError(field, text string) error {
	return &berth.FieldError{Field: field, Value: text, Problem: "cannot be read", Bound: relationBound}
}

// cutNumber cuts off a number behind the last mark; 0 without one.
func cutNumber(text string, mark byte) (before string, n int64, err error) {
	i := strings.LastIndexByte(text, mark)
	if i < 0 {
		return text, 0, nil
	}
	if n, err = strconv.ParseInt(text[i+1:], 10, 64); err == nil && n == 0 {
		err = strconv.ErrRange // it would stand for what is said by leaving it out
	}
	return text[:i], n, err
}
