package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func tenantsCommand() *cli.Command {
	pool := stringFlag("pool", string(berth.DefaultPool), "`POOL` that is limited")
	return verb(&cli.Command{
		Name: "tenants", Usage: "what tenants may use of pools, what they use, and their shares; set it, or take that back", ArgsUsage: "[set|unset TENANT]",
		Description: "A request counts against its tenant's quota of its pool from its placement until its end. What is beyond the quota waits, and\n" +
			"berth explain tells so. What has no quota, or is not named in it, is not limited.\n\n" +
			"Where more is guaranteed of a pool to all tenants than its workers have, a warning tells: it is allowed, but not all can have it at once.\n\n" +
			"Where not all fits, what waits of the tenant comes next that has the smallest share of the pool, divided by its weight: the largest\n" +
			"part that it holds of the pool's CPU, memory, disk or devices.",
		Flags: clientFlags(
			stringFlag("pool", "", "only of this `POOL`"),
			stringFlag("tenant", "", "only of this `TENANT`"),
			outputFlag(),
		),
		Subcommands: []*cli.Command{
			verb(&cli.Command{
				Name: "set", Usage: "limit what a tenant may use of a pool, or say its weight; what runs goes on", ArgsUsage: "TENANT",
				Flags: clientFlags(
					pool,
					stringFlag("cpu", "", "`CORES`: 0.5, 2 or 500m; none: not limited any more, as with all that follow (default: as it is)"),
					stringFlag("memory", "", bytesUsage),
					stringFlag("disk", "", bytesUsage),
					listFlag("custom", "`NAME=NUMBER` of a resource that the operator named"),
					listFlag("devices", "`TYPE=NUMBER` of devices, also parts of them: h100=8, t4=0.5"),
					listFlag("guaranteed", "`OF=AMOUNT` of the limit, of cpu, memory, disk, custom.NAME or devices.TYPE: what the tenant does not use of it, others borrow up to their limits who have some guaranteed themselves, be it 0; none: neither lent nor borrowed"),
					stringFlag("reclaim-after", "", "`DURATION`, 0s to 8760h: what the tenant has lent, and has wanted back for so long, is reclaimed by stopping the youngest of what uses it; none: it comes back as that ends (default: as it is; at first none)"),
					ownIntFlag("weight", 0, "`NUMBER`, 1 to 1000: twice the weight, twice the share where not all fits, in all pools (default: as it is; at first 1)"),
					outputFlag(),
				),
				Action: setQuota,
			}),
			verb(&cli.Command{
				Name: "unset", Usage: "let a tenant use all of a pool", ArgsUsage: "TENANT",
				Flags: clientFlags(pool, outputFlag()),
				Action: func(c *cli.Context) error {
					return sendQuota(c, &berthv1.SetQuotaRequest{All: true})
				},
			}),
		},
		Action: listQuotas,
	})
}

func setQuota(c *cli.Context) error {
	if err := noFlags(c); err != nil { // they would not be seen below
		return err
	}
	req := &berthv1.SetQuotaRequest{Set: map[string]int64{}}
	if err := cmp.Or(readLimits(c, req), readGuarantees(c, req), readReclaim(c, req)); err != nil {
		return usage("%w", err)
	}
	if c.IsSet("weight") {
		req.Weight = int64(c.Int("weight"))
		if err := berth.CheckTenantWeight(req.GetWeight()); err != nil {
			return usage("%w", err)
		}
	}
	if len(req.GetSet())+len(req.GetUnset())+len(req.GetGuarantee())+len(req.GetUnguarantee()) == 0 && req.GetWeight() == 0 && req.ReclaimAfterMs == nil && !req.GetNeverReclaim() {
		return usage("tenants set: nothing is given: --weight, --cpu, --memory, --disk, --custom, --devices, --guaranteed or --reclaim-after")
	}
	return sendQuota(c, req)
}

// noLimit stands for a limit that is taken back.
const noLimit = "none"

func readLimits(c *cli.Context, req *berthv1.SetQuotaRequest) error {
	take := func(d berth.Dimension, text string, parse func(string) (int64, error)) error {
		if text == noLimit {
			req.Unset = append(req.Unset, string(d))
			return nil
		}
		n, err := parse(text)
		req.Set[string(d)] = n
		return err
	}
	for _, f := range []struct {
		flag  string
		of    berth.Dimension
		parse func(string) (int64, error)
	}{
		{"cpu", berth.DimensionCPU, func(text string) (int64, error) { return parseCPU("cpu", text) }},
		{"memory", berth.DimensionMemory, func(text string) (int64, error) { return parseBytes("memory", text, berth.MaxMemoryBytes) }},
		{"disk", berth.DimensionDisk, func(text string) (int64, error) { return parseBytes("disk", text, berth.MaxDiskBytes) }},
	} {
		if text := c.String(f.flag); text != "" {
			if err := take(f.of, text, f.parse); err != nil {
				return err
			}
		}
	}
	for _, f := range []struct {
		flag  string
		of    func(string) berth.Dimension
		parse func(string) (int64, error)
		most  int64
	}{
		{"custom", berth.CustomDimension, func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }, berth.MaxCustom},
		{"devices", berth.DeviceDimension, thousandths, berth.MaxCustom / berth.WholeDevice},
	} {
		for _, text := range c.StringSlice(f.flag) {
			name, value, ok := strings.Cut(text, "=")
			if d := string(f.of(name)); named(d, req.GetSet(), req.GetUnset()) {
				return givenTwice(f.flag, name)
			}
			if err := take(f.of(name), value, f.parse); err != nil || !ok || name == "" {
				return &berth.FieldError{Field: f.flag, Value: text, Problem: "is no limit", Bound: fmt.Sprintf("NAME=NUMBER from 0 to %d, or NAME=none", f.most)}
			}
		}
	}
	return nil
}

// named says whether an amount of a dimension is set, or taken back.
func named(d string, set map[string]int64, unset []string) bool {
	_, ok := set[d]
	return ok || slices.Contains(unset, d)
}

// thousandths of devices.
func thousandths(text string) (int64, error) {
	n, err := parseDecimal(text)
	milli := math.Round(n * float64(berth.WholeDevice))
	if err == nil && !(milli >= 0 && milli <= float64(berth.MaxCustom) && math.Abs(milli-n*float64(berth.WholeDevice)) < 1e-6) {
		err = strconv.ErrRange
	}
	return int64(milli), err
}

func sendQuota(c *cli.Context, req *berthv1.SetQuotaRequest) error {
	if err := flagsBehind(c, "tenants"); err != nil {
		return err
	}
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if req.Tenant, err = oneArgument(c, "TENANT"); err != nil {
		return err
	}
	req.Pool = c.String("pool")
	return withClient(c, func(ctx context.Context, cl *client.Client) error {
		q, err := cl.SetQuota(ctx, req)
		if err != nil {
			return fmt.Errorf("tenants %s %s: %w", c.Command.Name, req.GetTenant(), quotaError(quotaElsewhere(ctx, c, cl, req, reclaimOfNothing(req, err))))
		}
		over := overcommitsWith(ctx, cl, q)
		warnings := quotaWarnings(ctx, cl, req, q, over)
		for _, text := range warnings {
			fmt.Fprintf(c.App.ErrWriter, "berth: warning: %s\n", text)
		}
		if asJSON {
			return printQuotaJSON(c.App.Writer, q, warnings)
		}
		told := []*berthv1.Quota{q}
		if weighsOnly(req) { // that is of no pool
			if told, err = quotasOf(ctx, cl, q); err != nil {
				return err
			}
		}
		return printQuotas(c.App.Writer, told, over)
	})
}

// weighsOnly says whether nothing but a tenant's weight is set.
func weighsOnly(req *berthv1.SetQuotaRequest) bool {
	return req.GetWeight() > 0 && len(req.GetSet())+len(req.GetUnset())+len(req.GetGuarantee())+len(req.GetUnguarantee()) == 0 && req.ReclaimAfterMs == nil && !req.GetNeverReclaim()
}

// quotasOf are what a tenant has in all pools; of one that has nothing in any, what is told of one pool.
func quotasOf(ctx context.Context, cl *client.Client, q *berthv1.Quota) ([]*berthv1.Quota, error) {
	all, err := cl.Quotas(ctx)
	all = slices.DeleteFunc(all, func(o *berthv1.Quota) bool { return o.GetTenant() != q.GetTenant() })
	if len(all) == 0 {
		all = []*berthv1.Quota{q}
	}
	ofNoPool(all)
	return all, err
}

// ofNoPool names no pool where a tenant is listed for its weight alone, which is of all of them.
func ofNoPool(listed []*berthv1.Quota) {
	for _, q := range listed {
		if len(q.GetLimits()) == 0 && q.GetWaiting() == 0 && q.GetTurn().GetOf() == "" {
			q.Pool = "all"
		}
	}
}

// quotaElsewhere says of a tenant without a quota in a pool, which was to be taken back, where it has some.
func quotaElsewhere(ctx context.Context, c *cli.Context, cl *client.Client, req *berthv1.SetQuotaRequest, err error) error {
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != client.CodeNotFound || !req.GetAll() {
		return err
	}
	all, listErr := cl.Quotas(ctx)
	if listErr != nil {
		return err
	}
	var pools []string
	for _, q := range all {
		if q.GetTenant() == req.GetTenant() && len(q.GetLimits()) > 0 {
			pools = append(pools, q.GetPool())
		}
	}
	if len(pools) == 0 {
		return fmt.Errorf("%w; %s lists those that there are", err, hint(c, "tenants"))
	}
	return fmt.Errorf("%w; it has one in pool %s: say which by --pool", err, strings.Join(pools, ", "))
}

func listQuotas(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if c.NArg() > 0 {
		return usage("tenants: %q is no word; want set or unset, and TENANT", c.Args().First())
	}
	return withClient(c, func(ctx context.Context, cl *client.Client) error {
		all, err := cl.Quotas(ctx)
		if err != nil {
			return err
		}
		over, err := overcommitsOf(ctx, cl, all)
		if err != nil {
			return err
		}
		pool, tenant := c.String("pool"), c.String("tenant")
		all = slices.DeleteFunc(all, func(q *berthv1.Quota) bool {
			return pool != "" && q.GetPool() != pool || tenant != "" && q.GetTenant() != tenant
		})
		if len(all) == 0 && !asJSON {
			such := ""
			if pool+tenant != "" {
				such = "such "
			}
			tellNone(c, "no "+such+"tenant has a limit, uses anything or waits for something")
		}
		for _, o := range partIn(over, all...) {
			fmt.Fprintf(c.App.ErrWriter, "berth: warning: %s\n", &o)
		}
		if !asJSON {
			ofNoPool(all)
			return printQuotas(c.App.Writer, all, over)
		}
		out := jsonList{w: c.App.Writer}
		for _, q := range all {
			b, err := quotaJSON(q, overcommitTexts(partIn(over, q)))
			if err == nil {
				err = out.addBytes(b)
			}
			if err != nil {
				return err
			}
		}
		return out.end()
	})
}

// printQuotas tells a line for each limit, and marks what is guaranteed of which there is too little.
func printQuotas(w io.Writer, all []*berthv1.Quota, over []overcommit) error {
	t, head := table{words: "LOANS"}, []string{"TENANT", "POOL", "OF", "LIMIT", "USED", "WAITING", "WEIGHT", "SHARE"}
	loans := lends(all)
	if loans {
		head = append(head, "GUARANTEED", "LOANS")
	}
	gathers := slices.ContainsFunc(all, func(q *berthv1.Quota) bool { return q.GetGathers() != nil })
	if gathers {
		head = append(head, "GATHERED")
		if !loans {
			t.words = "GATHERED"
		}
	}
	t.add(head...)
	for _, q := range all {
		limits := sortedKeys(q.GetLimits())
		if len(limits) == 0 {
			t.add(q.GetTenant(), q.GetPool(), "-", "none", "-", strconv.FormatInt(q.GetWaiting(), 10), strconv.FormatInt(q.GetTurn().GetWeight(), 10), shareText(q.GetTurn()))
		}
		for _, d := range limits {
			of := berth.Dimension(d)
			cells := []string{
				q.GetTenant(), q.GetPool(), dimensionName(of), dimensionAmount(of, q.GetLimits()[d]), dimensionAmount(of, q.GetUsed()[d]),
				strconv.FormatInt(q.GetWaiting(), 10), strconv.FormatInt(q.GetTurn().GetWeight(), 10), shareText(q.GetTurn()),
			}
			if loans {
				guaranteed, lent := loanCells(q, of, partIn(over, q))
				cells = append(cells, guaranteed, lent)
			}
			if gathers {
				cells = append(cells, gatheredCell(q.GetGathers(), of))
			}
			t.add(cells...)
		}
	}
	return t.write(w)
}

// shareText is what a tenant has of a pool.
func shareText(t *berthv1.Turn) string {
	if t.GetOf() == "" {
		return "-"
	}
	return fmt.Sprintf("%.1f %% of %s", 100*t.GetShare(), resourceName(&berthv1.Reason{Code: t.GetOf()}))
}

// turnText says who goes first when something frees up, where that is somebody else.
func turnText(e *berthv1.ExplainResponse) string {
	t, spec := e.GetTurn(), e.GetStatus().GetSpec()
	if t.GetAhead() == 0 {
		return ""
	}
	weight := ""
	if t.GetWeight() > berth.DefaultTenantWeight {
		weight = fmt.Sprintf(", with a weight of %d", t.GetWeight())
	}
	return fmt.Sprintf("tenant %s is above its share: it has %s in pool %s%s; %s of %s with less go first",
		spec.GetTenant(), shareText(t), spec.GetPool(), weight, plural(t.GetAhead(), "request"), plural(t.GetTenants(), "other tenant"))
}

// dimensionName is what a quota is of, as people call it.
func dimensionName(d berth.Dimension) string {
	switch d {
	case berth.DimensionCPU:
		return "CPU"
	case berth.DimensionMemory:
		return "memory"
	case berth.DimensionDisk:
		return "disk"
	}
	if kind, ok := d.DeviceType(); ok {
		return kind
	}
	if name, ok := d.CustomName(); ok {
		return name
	}
	return string(d)
}

func dimensionAmount(d berth.Dimension, n int64) string {
	switch d {
	case berth.DimensionCPU:
		return cores(n)
	case berth.DimensionMemory, berth.DimensionDisk:
		return bytesOf(n)
	}
	if _, ok := d.DeviceType(); ok {
		return cores(n) // thousandths as well
	}
	return strconv.FormatInt(n, 10)
}

// isQuota says whether it is its tenant's quota that a request waits for.
func isQuota(v *berthv1.Verdict) bool {
	return len(v.GetReasons()) > 0 && v.GetReasons()[0].GetCode() == string(berth.ReasonQuota)
}
