package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// quotaLacks is what there is too little of, by what the tenant is allowed now: of what can be
// lent that is not the limit.
func quotaLacks(r *berthv1.Reason) string {
	d, s := berth.Dimension(r.GetDetail()), r.GetStands()
	if r.GetWant() == 0 {
		return r.GetDetail()
	}
	left, of := r.GetBest(), dimensionAmount(d, r.GetTotal())
	if s.GetGuarantees() || s.GetLent() > 0 {
		left, of = min(left, s.GetAllowed()), "the "+dimensionAmount(d, s.GetAllowed())+" that it is allowed now"
	}
	wants := much(d, r.GetWant(), " of ")
	if besideOthers(r) {
		wants += " beside what it may have of other types"
	}
	return fmt.Sprintf("it wants %s, and %s is left of %s", wants, dimensionAmount(d, left), of)
}

// much is an amount of a dimension, as of it: 2 cores, or 8GiB of memory.
func much(d berth.Dimension, n int64, of string) string {
	if d == berth.DimensionCPU {
		return amountOf(&berthv1.Reason{Code: string(berth.ReasonCPU), Want: n}, n)
	}
	return dimensionAmount(d, n) + of + dimensionName(d)
}

// quotaReason is quotaLacks, with how that has come about.
func quotaReason(r *berthv1.Reason) string {
	d, s := berth.Dimension(r.GetDetail()), r.GetStands()
	if r.GetWant() > 0 && (s.GetGuarantees() || s.GetLent() > 0) {
		of := func(n int64) string { return dimensionAmount(d, n) }
		guaranteed := "nothing is guaranteed"
		if s.GetGuarantees() {
			guaranteed = of(s.GetGuaranteed()) + " guaranteed"
		}
		return fmt.Sprintf("%s, with %s used (%s, %s lent%s, %s borrowed%s; the limit is %s)", quotaLacks(r), of(s.GetUsed()), guaranteed,
			of(s.GetLent()), tenantsAfter(" to ", s.GetBorrowers()), of(s.GetBorrowed()), tenantsAfter(" from ", s.GetLenders()), of(s.GetLimit()))
	}
	return quotaLacks(r)
}

// decisive is the reason of a quota that is told: where a request could never be placed, why.
func decisive(v *berthv1.Verdict) *berthv1.Reason {
	for _, r := range v.GetReasons() {
		if v.GetNeverFits() && r.GetCode() == string(berth.ReasonQuota) && r.GetWant() > r.GetTotal() {
			return r
		}
	}
	return v.GetReasons()[0]
}

// quotaWaits says which quota a request waits for.
func quotaWaits(e *berthv1.ExplainResponse, now time.Time) string {
	spec, r := e.GetStatus().GetSpec(), decisive(e.GetVerdict())
	who := fmt.Sprintf("the quota of tenant %s in pool %s", spec.GetTenant(), spec.GetPool())
	reasons := slices.DeleteFunc(onlyQuota(e.GetVerdict()).GetReasons(), func(o *berthv1.Reason) bool { return o == r })
	lacks := mixText(slices.Insert(reasons, 0, r))
	if e.GetVerdict().GetNeverFits() {
		return "waits, and could never be placed, for it asks for more than " + who + ": " + lacks
	}
	return "waits for " + who + ": " + lacks + gatheredText(spec, r, now) + lentTo(r, now) + loanTurns(r)
}

// quotaToo says of a request that no worker could ever take that its tenant's quota would not do,
// either.
func quotaToo(e *berthv1.ExplainResponse) string {
	reasons, spec := e.GetVerdict().GetReasons(), e.GetStatus().GetSpec()
	i := slices.IndexFunc(reasons, func(r *berthv1.Reason) bool { return r.GetCode() == string(berth.ReasonQuota) })
	if i <= 0 || isQuota(e.GetVerdict()) || len(keptByQuota(e.GetVerdict())) > 0 {
		return ""
	}
	return fmt.Sprintf("nor is there room now in the quota of tenant %s in pool %s: %s", spec.GetTenant(), spec.GetPool(), quotaReason(reasons[i]))
}

// quotaHelp is what would let the quota have room: of all that it has too little of, the decisive first.
func quotaHelp(e *berthv1.ExplainResponse) string {
	spec, first := e.GetStatus().GetSpec(), decisive(e.GetVerdict())
	help, between := quotaHelpOf(spec, first), "; and also "
	for _, r := range e.GetVerdict().GetReasons() {
		if r == first || r.GetCode() != string(berth.ReasonQuota) || r.GetWant() <= r.GetBest() {
			continue
		}
		if alternatives(spec, first, r) {
			between = "; or "
		}
		help += between + quotaHelpOf(spec, r)
	}
	return help
}

// alternatives says whether one of two types of devices would do, of which a quota has too little.
func alternatives(spec *berthv1.Request, a, b *berthv1.Reason) bool {
	if besideOthers(a) || besideOthers(b) {
		return eitherWay(a, b)
	}
	one, isOne := berth.Dimension(a.GetDetail()).DeviceType()
	other, isOther := berth.Dimension(b.GetDetail()).DeviceType()
	return isOne && isOther && slices.ContainsFunc(spec.GetResources().GetDevices(), func(d *berthv1.DeviceDemand) bool {
		return len(d.GetTypes()) == 0 || slices.Contains(d.GetTypes(), one) && slices.Contains(d.GetTypes(), other)
	})
}

// quotaHelpOf is what would let it have room of one dimension.
func quotaHelpOf(spec *berthv1.Request, r *berthv1.Reason) string {
	if r.GetWant() == 0 {
		return "berth fsck tells what is wrong with the record"
	}
	s := r.GetStands()
	if s == nil { // of a daemon that does not tell: as if all that is not left were used
		s = &berthv1.QuotaStand{Limit: r.GetTotal(), Allowed: r.GetTotal(), Used: r.GetTotal() - r.GetBest()}
	}
	d, lacks := berth.Dimension(r.GetDetail()), s.GetUsed()+r.GetWant()-s.GetAllowed()
	if g := s.GetGathers(); lacks <= 0 && g != nil && !isGathered(spec, g) {
		return "the placement of " + gatheredFor(g)
	}
	if lacks <= 0 {
		return "a moment of patience: other daemons have taken what is left of it, and give it up"
	}
	larger := largerQuota(spec, d, s, r.GetWant())
	if r.GetWant() > s.GetLimit() {
		return larger
	}
	ways := quotaEnds(spec, r, s, lacks)
	if reclaimed := reclaiming(spec, r, s); reclaimed != "" {
		ways = append(ways, reclaimed)
	}
	ways = append(ways, larger)
	if beyond := beyondEnds(spec, r, s, lacks); beyond != "" {
		ways = append(ways, beyond)
	}
	return strings.Join(ways, ", or ")
}

// reclaiming is the command by which a lender need not wait for the end of what uses its own, where it never
// reclaims that; or "".
func reclaiming(spec *berthv1.Request, r *berthv1.Reason, s *berthv1.QuotaStand) string {
	used := len(r.GetTenants()) > 0 // those who were to give some of it back, and use it
	if !used || len(s.GetReclaims()) > 0 || s.GetUsed()+r.GetWant() > s.GetGuaranteed() {
		return ""
	}
	return fmt.Sprintf("what it has lent reclaimed, by stopping what uses that: berth tenants set --pool %s --reclaim-after 0s %s", spec.GetPool(), spec.GetTenant())
}

// quotaEnds are what has to end, or not to be used, for a quota to have room for so much more: either is enough by itself.
func quotaEnds(spec *berthv1.Request, r *berthv1.Reason, s *berthv1.QuotaStand, lacks int64) (out []string) {
	within := s.GetUsed()+r.GetWant() <= s.GetLimit() // else what comes back would be beyond the limit
	switch own, others := lacks <= s.GetUsed(), within && lacks <= s.GetLent(); {
	case own && others:
		who := "tenant " + spec.GetTenant() + " or " + borrowersText(r, s)
		out = append(out, fmt.Sprintf("the end of what uses %s of %s in pool %s", much(berth.Dimension(r.GetDetail()), lacks, " "), who, spec.GetPool()))
	case own:
		out = append(out, "the end of "+usersText(spec, r, s, lacks, 0))
	case others:
		out = append(out, "the end of "+usersText(spec, r, s, 0, lacks))
	case lacks <= s.GetUsed()+s.GetLent():
		out = append(out, "the end of "+usersText(spec, r, s, s.GetUsed(), lacks-s.GetUsed()))
	}
	if within && couldLend(s, s.GetUsed()+r.GetWant()) {
		out = append(out, borrowing(berth.Dimension(r.GetDetail()), s, lacks))
	}
	return out
}

// beyondEnds is what would do beside the end of all that its tenant uses, and of what uses all that it has lent, where
// that is not enough; or "".
func beyondEnds(spec *berthv1.Request, r *berthv1.Reason, s *berthv1.QuotaStand, lacks int64) string {
	ends := s.GetUsed() + s.GetLent()
	if ends == 0 || ends >= lacks {
		return ""
	}
	then := &berthv1.QuotaStand{
		Limit: s.GetLimit(), Guarantees: s.GetGuarantees(), Guaranteed: s.GetGuaranteed(), Allowed: s.GetAllowed() + s.GetLent(),
		Idle: s.GetIdle(), Ever: s.GetEver(), Have: s.GetHave(), Keeping: s.GetKeeping(),
	}
	d, ways := berth.Dimension(r.GetDetail()), []string(nil)
	if couldLend(then, r.GetWant()) {
		ways = append(ways, borrowing(d, then, lacks-ends))
	}
	ways = append(ways, largerQuota(spec, d, then, r.GetWant()))
	return fmt.Sprintf("once %s has ended, %s", usersText(spec, r, s, s.GetUsed(), s.GetLent()), strings.Join(ways, ", or "))
}

// usersText is what uses so much of a tenant's own, and of what it has lent.
func usersText(spec *berthv1.Request, r *berthv1.Reason, s *berthv1.QuotaStand, own, lent int64) string {
	var parts []string
	for _, u := range []struct {
		much int64
		who  string
	}{{own, "tenant " + spec.GetTenant()}, {lent, borrowersText(r, s)}} {
		if u.much > 0 {
			parts = append(parts, much(berth.Dimension(r.GetDetail()), u.much, " ")+" of "+u.who)
		}
	}
	return fmt.Sprintf("what uses %s in pool %s", strings.Join(parts, " and "), spec.GetPool())
}

// borrowersText are those to whom something is lent: how much to each of several is not told, so they are named together.
func borrowersText(r *berthv1.Reason, s *berthv1.QuotaStand) string {
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.GetTenants(), s.GetBorrowers()))))
	if len(all) == 1 {
		return "tenant " + all[0]
	}
	return "tenants " + strings.Join(all, " and ")
}

// couldLend says whether others could lend what it takes to use so much.
func couldLend(s *berthv1.QuotaStand, much int64) bool {
	return s.GetGuarantees() && !beyondAll(s, much)
}

// beyondAll says whether so much is more than is guaranteed to all tenants of the pool, where that is told.
func beyondAll(s *berthv1.QuotaStand, much int64) bool { return s.GetEver() > 0 && much > s.GetEver() }

// borrowing is what others must not use, or wait for, so that as much as is lacking can be borrowed.
func borrowing(d berth.Dimension, s *berthv1.QuotaStand, lacks int64) string {
	use, using := "use", "not using"
	if len(s.GetKeeping()) > 0 {
		use, using = "use, or wait for,", "neither using nor waiting for"
	}
	switch idle := s.GetIdle(); {
	case idle >= lacks:
		return "a moment of patience: others lend what it lacks"
	case idle > 0:
		return fmt.Sprintf("as much to borrow: others lend %s now, and would have to %s %s less of what is guaranteed to them", dimensionAmount(d, idle), use, dimensionAmount(d, lacks-idle))
	}
	return fmt.Sprintf("as much to borrow: others %s %s of what is guaranteed to them", using, dimensionAmount(d, lacks))
}

// largerQuota is the command that lets so much more be used, whatever is lent and borrowed; where
// more would be guaranteed by it than the pool's workers have, what has to come first.
func largerQuota(spec *berthv1.Request, d berth.Dimension, s *berthv1.QuotaStand, want int64) string {
	limit, lacks := max(s.GetLimit(), s.GetUsed()+want), s.GetUsed()+want-s.GetAllowed()
	guaranteed, what := s.GetGuaranteed()+lacks, "a larger quota"
	switch {
	case s.GetGuarantees():
		limit = max(limit, guaranteed)
	case s.GetLent() > 0: // it is not guaranteed any more, and comes back from the limit
		limit = s.GetLimit() + lacks
	}
	var flags []string
	if limit > s.GetLimit() {
		flags = append(flags, limitFlag(d, limit))
	} else {
		what = "more of it guaranteed"
	}
	if s.GetGuarantees() {
		if all := max(s.GetEver(), s.GetGuaranteed()); s.GetHave() > 0 && all+lacks > s.GetHave() {
			return fmt.Sprintf("%s, and for that more workers in pool %s, or less guaranteed to others: of its %s %s, %s is guaranteed already (berth tenants --pool %s)",
				what, spec.GetPool(), dimensionAmount(d, s.GetHave()), dimensionName(d), dimensionAmount(d, all), spec.GetPool())
		}
		flags = append(flags, "--guaranteed "+guaranteedWord(d)+"="+limitNumber(d, guaranteed))
	}
	return fmt.Sprintf("%s: berth tenants set --pool %s %s %s", what, spec.GetPool(), strings.Join(flags, " "), spec.GetTenant())
}

// guaranteedWord is what --guaranteed calls a dimension.
func guaranteedWord(d berth.Dimension) string {
	switch d {
	case berth.DimensionCPU:
		return "cpu"
	case berth.DimensionMemory:
		return "memory"
	case berth.DimensionDisk:
		return "disk"
	}
	return string(d)
}

// limitNumber is an amount as flags take it.
func limitNumber(d berth.Dimension, n int64) string {
	if _, ok := d.DeviceType(); ok || d == berth.DimensionCPU {
		return cores(n)
	}
	if d == berth.DimensionMemory || d == berth.DimensionDisk {
		return exactBytes(n)
	}
	return strconv.FormatInt(n, 10)
}

// exactBytes is a number of bytes in the largest unit that it is a multiple of.
func exactBytes(n int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := int64(1) << (40 - 10*i); n > 0 && n%size == 0 {
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}

// limitFlag is the flag that sets a limit.
func limitFlag(d berth.Dimension, n int64) string {
	flag, value := limitWords(d, limitNumber(d, n))
	return "--" + flag + " " + value
}

// limitWords are the flag of a limit, and its value for an amount.
func limitWords(d berth.Dimension, amount string) (flag, value string) {
	if kind, ok := d.DeviceType(); ok {
		return "devices", kind + "=" + amount
	}
	if name, ok := d.CustomName(); ok {
		return "custom", name + "=" + amount
	}
	return guaranteedWord(d), amount
}
