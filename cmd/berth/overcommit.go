package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// overcommit is a dimension of a pool of which more is guaranteed than its workers have. It is
// allowed, for pools shrink and grow, but nobody should believe all of it.
type overcommit struct {
	pool             string
	of               berth.Dimension
	guaranteed, have int64
	tenants          []string // that have some guaranteed
	workers          int64
}

func (o *overcommit) String() string {
	return fmt.Sprintf("%s %s is guaranteed in pool %s, to %s, which is more than the %s of its %s: not all of it can be had at once",
		dimensionAmount(o.of, o.guaranteed), dimensionName(o.of), o.pool, tenantsText(o.tenants), dimensionAmount(o.of, o.have), plural(o.workers, "worker"))
}

const tenantsNamed = 3

func tenantsText(all []string) string {
	text := "tenant " + all[0]
	if len(all) > 1 {
		text = "tenants " + strings.Join(all[:min(len(all), tenantsNamed)], ", ")
	}
	if more := len(all) - tenantsNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// overcommitted are those of all pools that have workers: of one without, nothing is known yet.
func overcommitted(quotas []*berthv1.Quota, workers []*berthv1.Worker) (out []overcommit) {
	type place struct {
		pool string
		of   berth.Dimension
	}
	have, count := map[place]int64{}, map[string]int64{}
	for _, w := range workers {
		if w.GetState() == "lost" {
			continue
		}
		count[w.GetPool()]++
		for d, n := range capacityAmounts(w.GetCapacity()) {
			have[place{w.GetPool(), d}] += n
		}
	}
	sums := map[place]*overcommit{}
	for _, q := range quotas {
		for d, n := range q.GetGuaranteed() {
			at := place{q.GetPool(), berth.Dimension(d)}
			if n == 0 || count[at.pool] == 0 {
				continue
			}
			if sums[at] == nil {
				sums[at] = &overcommit{pool: at.pool, of: at.of, have: have[at], workers: count[at.pool]}
			}
			sums[at].guaranteed += n
			sums[at].tenants = append(sums[at].tenants, q.GetTenant())
		}
	}
	for _, o := range sums {
		if o.guaranteed > o.have {
			slices.Sort(o.tenants)
			out = append(out, *o)
		}
	}
	slices.SortFunc(out, func(a, b overcommit) int { return cmp.Or(strings.Compare(a.pool, b.pool), cmp.Compare(a.of, b.of)) })
	return out
}

// capacityAmounts is what a worker has, in the dimensions of quotas.
func capacityAmounts(c *berthv1.Capacity) berth.Amounts {
	out := berth.AmountsOfDemand(&berth.Quantities{CPUMilli: c.GetCpuMilli(), MemoryBytes: c.GetMemoryBytes(), DiskBytes: c.GetDiskBytes(), Custom: c.GetCustom()})
	for _, d := range c.GetDevices() {
		out[berth.DeviceDimension(d.GetType())] += berth.WholeDevice
	}
	return out
}

// overcommitsOf asks for those of some quotas, which are all that there are.
func overcommitsOf(ctx context.Context, cl *client.Client, all []*berthv1.Quota) ([]overcommit, error) {
	if !slices.ContainsFunc(all, func(q *berthv1.Quota) bool { return len(q.GetGuaranteed()) > 0 }) {
		return nil, nil
	}
	workers, err := cl.Workers(ctx)
	if err != nil {
		return nil, err
	}
	return overcommitted(all, workers), nil
}

// overcommitsWith asks for those that a quota takes part in which has just been set. Where they
// cannot be told, it is set all the same.
func overcommitsWith(ctx context.Context, cl *client.Client, q *berthv1.Quota) []overcommit {
	if len(q.GetGuaranteed()) == 0 {
		return nil
	}
	all, err := cl.Quotas(ctx)
	if err != nil {
		return nil
	}
	all = slices.DeleteFunc(all, func(o *berthv1.Quota) bool { return o.GetTenant() == q.GetTenant() && o.GetPool() == q.GetPool() })
	over, err := overcommitsOf(ctx, cl, append(all, q))
	if err != nil {
		return nil
	}
	return partIn(over, q)
}

// partIn are the overcommits that some quotas take part in.
func partIn(all []overcommit, quotas ...*berthv1.Quota) (out []overcommit) {
	for _, o := range all {
		if slices.ContainsFunc(quotas, func(q *berthv1.Quota) bool { return o.pool == q.GetPool() && q.GetGuaranteed()[string(o.of)] > 0 }) {
			out = append(out, o)
		}
	}
	return out
}

func overcommitTexts(all []overcommit) (out []string) {
	for _, o := range all {
		out = append(out, o.String())
	}
	return out
}

// quotaWarnings is what to warn of a quota that has just been set.
func quotaWarnings(ctx context.Context, cl *client.Client, req *berthv1.SetQuotaRequest, q *berthv1.Quota, over []overcommit) (out []string) {
	if text := warnReclaim(req, q); text != "" {
		out = append(out, text)
	}
	if all, err := cl.Pools(ctx); err == nil && !req.GetAll() && unknownPool(all, req.GetPool()) != "" { // it may be misspelt
		out = append(out, unknownPool(all, req.GetPool()))
	}
	return append(out, overcommitTexts(over)...)
}

// quotaJSON is a quota with what is to be warned of.
func quotaJSON(q *berthv1.Quota, warnings []string) ([]byte, error) {
	b, err := jsonOf(q, "")
	if err != nil || len(warnings) == 0 {
		return b, err
	}
	list, err := json.Marshal(warnings)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return slices.Concat(bytes.TrimSuffix(b, []byte("}")), []byte(`,"warnings":`), list, []byte("}")), nil
}

func printQuotaJSON(w io.Writer, q *berthv1.Quota, warnings []string) error {
	b, err := quotaJSON(q, warnings)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = fmt.Fprintf(asIs(w), "%s\n", &out)
	return err
}
