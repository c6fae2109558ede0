package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// readGuarantees reads what is guaranteed of the limits, and of what it is not any more.
func readGuarantees(c *cli.Context, req *berthv1.SetQuotaRequest) error {
	for _, text := range c.StringSlice("guaranteed") {
		word, value, ok := strings.Cut(text, "=")
		d, parse := guaranteeOf(word)
		wrong := &berth.FieldError{Field: "guaranteed", Value: text, Problem: "is no part of a quota", Bound: "cpu=CORES, memory=BYTES, disk=BYTES, custom.NAME=NUMBER or devices.TYPE=NUMBER, or none after the ="}
		switch {
		case !ok || parse == nil:
			return wrong
		case named(string(d), req.GetGuarantee(), req.GetUnguarantee()):
			return givenTwice("guaranteed", word)
		case value == noLimit:
			req.Unguarantee = append(req.Unguarantee, string(d))
			continue
		}
		n, err := parse(value)
		if err != nil {
			return wrong
		}
		if req.Guarantee == nil {
			req.Guarantee = map[string]int64{}
		}
		req.Guarantee[string(d)] = n
	}
	return nil
}

// guaranteeOf is the dimension that a word of --guaranteed is of, and how an amount of it is read.
func guaranteeOf(word string) (berth.Dimension, func(string) (int64, error)) {
	switch word {
	case "cpu":
		return berth.DimensionCPU, func(text string) (int64, error) { return parseCPU("guaranteed", text) }
	case "memory":
		return berth.DimensionMemory, func(text string) (int64, error) { return parseBytes("guaranteed", text, berth.MaxMemoryBytes) }
	case "disk":
		return berth.DimensionDisk, func(text string) (int64, error) { return parseBytes("guaranteed", text, berth.MaxDiskBytes) }
	}
	d := berth.Dimension(word)
	if kind, ok := d.DeviceType(); ok && kind != "" {
		return d, thousandths
	}
	if name, ok := d.CustomName(); ok && name != "" {
		return d, func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }
	}
	return "", nil
}

const reclaimBound = "as 90s or 10m, 0s to 8760h, or none"

// readReclaim reads how long what is lent is waited for.
func readReclaim(c *cli.Context, req *berthv1.SetQuotaRequest) error {
	text := c.String("reclaim-after")
	switch text {
	case "":
		return nil
	case noLimit:
		req.NeverReclaim = true
		return nil
	}
	after, err := time.ParseDuration(text)
	if err != nil {
		return &berth.FieldError{Field: "reclaim-after", Value: text, Problem: "is no duration", Bound: reclaimBound}
	}
	if after%time.Millisecond != 0 { // and 1ns is not at once
		return &berth.FieldError{Field: "reclaim-after", Value: text, Problem: "is finer than a millisecond", Bound: reclaimBound}
	}
	ms := after.Milliseconds()
	req.ReclaimAfterMs = &ms
	if berth.CheckReclaimAfter(ms) != nil {
		return &berth.FieldError{Field: "reclaim-after", Value: text, Problem: "is out of range", Bound: reclaimBound}
	}
	return nil
}

// lends says whether anything is guaranteed to one of some tenants, lent or borrowed.
func lends(all []*berthv1.Quota) bool {
	for _, q := range all {
		if len(q.GetGuaranteed())+len(q.GetLent())+len(q.GetBorrowed()) > 0 {
			return true
		}
	}
	return false
}

// loanCells tells of a dimension what is guaranteed, and what is lent and borrowed of it.
func loanCells(q *berthv1.Quota, d berth.Dimension, over []overcommit) (guaranteed, loans string) {
	guaranteed = guaranteedCell(q, d, over)
	var parts []string
	for _, l := range q.GetBorrowed() {
		if v := l.GetAmounts()[string(d)]; v > 0 {
			parts = append(parts, dimensionAmount(d, v)+" from "+l.GetTenant())
		}
	}
	for _, l := range q.GetLent() {
		v, back := l.GetAmounts()[string(d)], l.GetRecalled()[string(d)]
		if v == 0 {
			continue
		}
		text := dimensionAmount(d, v) + " to " + l.GetTenant()
		if back > 0 {
			text += fmt.Sprintf(" (%s wanted back)", dimensionAmount(d, back))
		}
		parts = append(parts, text)
	}
	return guaranteed, cmp.Or(strings.Join(parts, ", "), "-")
}

// guaranteedCell is what is guaranteed of a dimension, and what there is to say of that.
func guaranteedCell(q *berthv1.Quota, d berth.Dimension, over []overcommit) string {
	v, ok := q.GetGuaranteed()[string(d)]
	if !ok {
		return "-"
	}
	var marks []string
	if slices.ContainsFunc(over, func(o overcommit) bool { return o.of == d }) {
		marks = append(marks, "overcommitted")
	}
	if q.ReclaimAfterMs != nil {
		marks = append(marks, "reclaimed after "+short(time.Duration(q.GetReclaimAfterMs())*time.Millisecond))
	}
	if len(marks) == 0 {
		return dimensionAmount(d, v)
	}
	return dimensionAmount(d, v) + " (" + strings.Join(marks, ", ") + ")"
}

// lentTo says who is to give back what a request waits for, and how.
func lentTo(r *berthv1.Reason, now time.Time) string {
	var texts, others []string
	for _, t := range r.GetTenants() {
		all := r.GetStands().GetReclaims()
		i := slices.IndexFunc(all, func(c *berthv1.Reclaim) bool { return c.GetFrom() == t })
		if i < 0 {
			others = append(others, t)
			continue
		}
		texts = append(texts, reclaimText(berth.Dimension(r.GetDetail()), all[i], now))
	}
	if len(others) > 0 {
		texts = append(texts, fmt.Sprintf("tenant %s has borrowed some of it, and gives it back as what uses it ends", strings.Join(others, " and ")))
	}
	return after("; ", strings.Join(texts, "; "))
}

// reclaimText says how what a tenant has borrowed is reclaimed.
func reclaimText(d berth.Dimension, r *berthv1.Reclaim, now time.Time) string {
	lent := fmt.Sprintf("%s of it is lent to tenant %s, ", dimensionAmount(d, r.GetAmount()), r.GetFrom())
	switch {
	case r.GetStopping() == 1:
		return lent + "and is being reclaimed: 1 container stops, and is killed " + until(r.GetUntil(), now)
	case r.GetStopping() > 1:
		return lent + fmt.Sprintf("and is being reclaimed: %s stop, the last is killed %s", plural(r.GetStopping(), "container"), until(r.GetUntil(), now))
	case now.IsZero() || r.GetAt().AsTime().After(now):
		return lent + "and what uses that is stopped from " + clock(r.GetAt(), now) + " on"
	}
	return lent + "and is reclaimed as soon as a worker has room for what waits, or would have by that"
}

// loanTurns says which others wait for loans, too, and come first, or why no loan helps.
func loanTurns(r *berthv1.Reason) (text string) {
	d, s := berth.Dimension(r.GetDetail()), r.GetStands()
	if beyondAll(s, r.GetWant()) {
		return fmt.Sprintf("; no loan makes up for it, for %s %s is guaranteed to all tenants of the pool together", dimensionAmount(d, s.GetEver()), dimensionName(d))
	}
	if who := s.GetKeeping(); len(who) > 0 {
		text += fmt.Sprintf("; tenant %s waits for what is guaranteed to it, and lends nothing meanwhile", strings.Join(who, " and "))
	}
	if who := s.GetAhead(); len(who) > 0 {
		text += fmt.Sprintf("; tenant %s waits for a loan, too, and has its turn before", strings.Join(who, " and "))
	}
	return text
}

// tenantsAfter are tenants behind a word; nothing where there are none.
func tenantsAfter(word string, tenants []string) string {
	if len(tenants) == 0 {
		return ""
	}
	return word + strings.Join(tenants, " and ")
}

// warnReclaim says of what nothing can come of: what is reclaimed is what was lent, and lent is what
// is guaranteed.
func warnReclaim(req *berthv1.SetQuotaRequest, q *berthv1.Quota) string {
	if req.ReclaimAfterMs == nil || len(q.GetGuaranteed()) > 0 {
		return ""
	}
	return fmt.Sprintf("nothing is guaranteed to tenant %s in pool %s, so it lends nothing that --reclaim-after could take back: give it some of its limit, as --guaranteed cpu=CORES", req.GetTenant(), req.GetPool())
}

// reclaimOfNothing says what is missing where a tenant has no limits of which something could be lent.
func reclaimOfNothing(req *berthv1.SetQuotaRequest, err error) error {
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != client.CodeNotFound || req.ReclaimAfterMs == nil {
		return err
	}
	return fmt.Errorf("%w: --reclaim-after is of what is guaranteed of a limit, and there is none; give both, as --cpu 16 --guaranteed cpu=8", err)
}
