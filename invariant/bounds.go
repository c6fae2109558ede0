package invariant

import (
	"maps"
	"slices"
	"strconv"
)

// The words of enumerations.
var (
	wordsOfProgress = []string{"PENDING", "PLACED"}
	// In this order an allocation moves.
	wordsOfAllocation = []string{"PLACED", "STARTING", "RUNNING", "EXITED"}
	wordsOfEnd        = []string{"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "LOST"}
	wordsOfStop       = []string{"cancel", "preempt", "drain", "run_limit", "reclaim", "group"}
	wordsOfExit       = []string{"exited", "signaled", "start_failed", "rejected", "may_have_run", "deadline"}
	wordsOfReason     = []string{
		"exited", "signaled", "out_of_memory", "start_failed", "start_timeout", "rejected",
		"cancelled", "preempted", "reclaimed", "drained", "run_limit", "pending_limit", "worker_lost", "replaced",
		"group", "incomplete",
	}
	wordsOfGroup    = []string{"PENDING", "PLACED", "ENDING"}
	wordsOfStrategy = []string{"spread", "binpack"}
	wordsOfScorer   = []string{"avoided", "rank", "dislike", "yields", "over", "load", "cold", "loss", "free", "pulls"}
	wordsOfBrake    = []string{"engaged", "released"}
	wordsOfRelease  = []string{"bound", "operator", "recovered"}
	wordsOfOnDrain  = []string{"replace"}
	wordsOfPreempt  = []string{"lower"}
	wordsOfRetry    = []string{"failure", "lost", "oom", "start_failed"}
	wordsOfOperator = []string{"in", "not_in", "exists", "not_exists", "lt", "le", "gt", "ge", "version"}
	wordsOfEffect   = []string{"no_place", "prefer_no_place", "no_run"}
	wordsOfTolerate = []string{"equal", "exists"}
)

func (r *schemaRecord) validate(c *checker, _ string) {
	c.least("layout", r.Layout, 1)
	if r.Restored != nil {
		c.least("restored.hold_ms", r.Restored.HoldMS, 1)
	}
}

func (r *worker) validate(c *checker, _ string) {
	c.id("pool", r.Pool)
	c.lease("lease", r.Lease)
	c.least("ttl_seconds", r.TTLSeconds, 1)
	c.least("kill_bound_ms", r.KillMS, 0)
	r.Capacity.validate(c)
	c.taints(r.Taints)
}

func (c *checker) taints(taints []taint) {
	for i, t := range taints {
		c.word("taints.effect", t.Effect, wordsOfEffect)
		c.need(t.Key != "", "taints: a key is empty")
		c.need(i == 0 || taints[i-1].Key < t.Key || taints[i-1].Key == t.Key && taints[i-1].Effect < t.Effect, "taints: %s is repeated or out of order", t.Key)
	}
}

func (c *checker) lease(field, value string) {
	n, err := strconv.ParseUint(value, 16, 63)
	c.need(err == nil && n > 0, "field %q is %q, not a lease in hexadecimal", field, value)
}

func (r *planBasis) validate(c *checker, _ string) {
	c.id("daemon", r.Daemon)
	c.least("revision", r.Revision, 1)
	for _, rev := range r.Ledgers {
		c.least("ledgers", rev, 1)
	}
	for _, rev := range r.Overlay {
		c.least("overlay", rev, 1)
	}
	if g := r.Group; g != nil {
		c.id("group.id", g.ID)
		c.least("group.from", g.From, 0)
		c.least("group.need", g.Need, 1)
		c.least("group.of", g.Of, g.Need)
	}
	for _, s := range r.Steps {
		c.id("steps.w", s.Worker)
		c.least("steps.n", s.More, 0)
		if s.For != "" {
			c.id("steps.r", s.For)
		}
		if s.Ledger != nil {
			r.sums(c, "steps.ledger", s.Ledger)
			continue
		}
		c.need(s.Share >= 0 && s.Share < int64(len(r.Shares)), "steps: share %d of %d", s.Share, len(r.Shares))
	}
	for i := range r.Room {
		c.id("room.request", r.Room[i].Request)
		r.sums(c, "room", &r.Room[i].plannedLedger)
		if n := r.Room[i].Nowhere; n != nil {
			c.need(*n >= 0 && *n <= int64(len(r.Steps)), "room.nowhere: step %d of %d", *n, len(r.Steps))
		}
		for _, one := range r.Room[i].Beside {
			c.need(one.Topology != "", "room.beside: a topology is empty")
			c.need(one.Here >= 0 && one.Here <= one.All, "room.beside: %d here of %d", one.Here, one.All)
			c.least("room.beside.fewest", one.Fewest, 0)
		}
		c.need(r.Room[i].Nowhere != nil || !r.Room[i].Claim && len(r.Room[i].Occupants) == 0, "room: who makes room is told without a step")
		for _, one := range r.Room[i].Occupants {
			c.id("room.occupants.r", one.Request)
			c.least("room.occupants.members", one.Members, 0)
		}
	}
	for _, p := range r.Prices {
		c.id("prices.pool", p.Pool)
		c.least("prices.from", p.From, 0)
		c.need((p.At > 0) != (p.Prices != nil), "prices: they stand in another plan, or here")
	}
	for i := range r.Relations {
		r.Relations[i].validate(c, int64(len(r.Steps)))
	}
}

func (r *plannedRelation) validate(c *checker, steps int64) {
	c.id("relations.pool", r.Pool)
	c.need(r.Topology != "", "relations: a topology is empty")
	c.need(len(r.Told) > 0, "relations: nothing is told of one")
	last := int64(0)
	for i, t := range r.Told {
		c.need(t.From >= last && t.From <= steps, "relations.from: step %d of %d stands behind step %d", t.From, steps, last)
		last = t.From
		for domain, n := range t.Counts {
			c.need(n > 0 || n == 0 && i > 0, "relations.counts: %d in %q", n, domain)
		}
	}
}

func (r *planBasis) sums(c *checker, field string, l *plannedLedger) {
	n := int64(len(r.Shares))
	c.need(l.Reserved >= 0 && l.Reserved < n && l.Held >= 0 && l.Held < n, "%s: shares %d and %d of %d", field, l.Reserved, l.Held, n)
	c.least(field+".count", l.Count, 0)
}

func (r *intent) validate(c *checker, _ string) {
	c.need(r.Parallel >= 0 && r.Parallel <= 10_000, "field \"parallel\" is %d; allowed: 0 to 10000", r.Parallel)
	c.need(r.PerMinute >= 0 && r.PerMinute <= 60_000, "field \"per_minute\" is %d; allowed: 0 to 60000", r.PerMinute)
	c.least("begun_with", r.BegunWith, 0)
	c.need(!r.Dead || r.Remove, "\"dead\" stands only with \"remove\"")
	c.taints(r.Taints)
	empties := r.Drain || r.Remove
	c.need(empties || r.Parallel == 0 && r.PerMinute == 0 && r.Deadline.IsZero() && r.BegunWith == 0 && r.LastStopAt.IsZero(),
		"a pace, a deadline or a progress stands only with \"drain\" or \"remove\"")
}

func (l *ledger) validate(c *checker, _ string) {
	c.least("epoch", l.Epoch, 1)
	c.least("count", l.Count, 0)
	l.Capacity.validate(c)
	l.Reserved.validate(c, "reserved")
	l.Held.validate(c, "held")
	for _, claim := range l.Claims {
		c.id("claims.request", claim.Request)
		c.least("claims.attempt", claim.Attempt, 1)
		claim.Share.validate(c, "claims.share")
		claim.Wants.validate(c, "claims.wants")
		for _, v := range claim.Victims {
			c.id("claims.victims", v)
		}
		c.need(!claim.Lent || claim.Counted == nil, "a claim for which quota is lent to others, and counted")
		if of := claim.Counted; of != nil {
			c.id("claims.counted.tenant", of.Tenant)
			c.id("claims.counted.pool", of.Pool)
			c.id("claims.counted.block", of.Block)
		}
	}
	c.least("ttl_seconds", l.TTLSeconds, 0)
	c.least("kill_bound_ms", l.KillMS, 0)
}

func (r *submission) validate(c *checker, id string) { r.Spec.validate(c, id) }

func (r *progress) validate(c *checker, _ string) {
	c.word("state", r.State, wordsOfProgress)
	c.least("attempt", r.Attempt, 1)
	c.least("used_attempts", r.Used, 0)
	if r.LastEnd != "" {
		c.word("last_end", r.LastEnd, wordsOfReason)
	}
	c.need(r.State == "PENDING" || r.ClaimOn == "", "PLACED, yet with a claim")
	if r.ClaimOn != "" {
		c.id("claim_on", r.ClaimOn)
	}
	if r.State == "PLACED" {
		c.id("worker", r.Worker)
		c.least("epoch", r.Epoch, 1)
		c.need(r.PlanID != "", "field \"plan_id\" is empty")
		return
	}
	c.need(r.Worker == "" && r.Epoch == 0 && r.PlanID == "", "PENDING, yet with a worker, an epoch or a plan id")
}

func (r *allocation) validate(c *checker, _ string) {
	c.word("state", r.State, wordsOfAllocation)
	c.least("attempt", r.Attempt, 1)
	c.least("epoch", r.Epoch, 1)
	c.need(r.PlanID != "", "field \"plan_id\" is empty")
	c.id("tenant", r.Tenant)
	r.Share.validate(c, "share")
	for _, d := range r.Share.Devices {
		c.need(d.Milli <= 1000, "device %s: %d thousandths", d.Name, d.Milli)
	}
	if r.QuotaBlock != "" {
		c.id("quota_block", r.QuotaBlock)
	}
	if r.Group != "" {
		c.id("group", r.Group)
	}
	c.need((r.Group == "") == (r.GroupAttempt == 0), "\"group\" and \"group_attempt\" stand only together")
	c.least("start_timeout_ms", r.StartTimeoutMS, 1)
	c.least("on_disconnect_keep_ms", r.KeepMS, 0)
	if r.Stop != nil {
		c.word("stop.reason", r.Stop.Reason, wordsOfStop)
		if by := r.Stop.ReplacedBy; by != "" {
			c.id("stop.replaced_by", by)
			c.need(r.Stop.Reason == "drain", "\"stop.replaced_by\" stands only with the reason \"drain\"")
		}
	}
	c.need((r.State == "EXITED") == (r.Exit != nil), "\"exit\" stands in EXITED, and only there")
	if r.Exit != nil {
		c.word("exit.kind", r.Exit.Kind, wordsOfExit)
	}
}

func (r *archive) validate(c *checker, id string) {
	r.Spec.validate(c, id)
	c.word("state", r.State, wordsOfEnd)
	c.word("reason", r.Reason, wordsOfReason)
	c.least("attempt", r.Attempt, 0)
	if r.Worker != "" {
		c.id("worker", r.Worker)
	}
	if r.Exit != nil {
		c.word("exit.kind", r.Exit.Kind, wordsOfExit)
	}
	c.need((r.Reason == "replaced") == (r.ReplacedBy != ""), "\"replaced_by\" stands with the reason \"replaced\", and only there")
	if r.ReplacedBy != "" {
		c.id("replaced_by", r.ReplacedBy)
	}
	c.need(!r.EndedAt.IsZero(), "field \"ended_at\" is no time")
}

func (r *group) validate(c *checker, _ string) {
	c.least("min_count", r.MinCount, 1)
	c.need(r.Size >= r.MinCount, "size %d is less than min_count %d", r.Size, r.MinCount)
	c.least("attempt", r.Attempt, 1)
	c.word("state", r.State, wordsOfGroup)
	c.least("used_attempts", r.Used, 0)
	c.least("excused_attempts", r.Excused, 0)
	if r.LastEnd != "" {
		c.word("last_end", r.LastEnd, wordsOfReason)
	}
	c.need(r.Used+r.Excused < r.Attempt, "used_attempts %d and excused_attempts %d of attempt %d", r.Used, r.Excused, r.Attempt)
	c.least("failed", r.Failed, 0)
	c.need(r.Size >= r.Failed, "failed %d of %d", r.Failed, r.Size)
	c.need((r.State == "ENDING") == (r.Reason != ""), "\"reason\" stands in ENDING, and only there")
	if r.Reason != "" {
		c.word("reason", r.Reason, wordsOfReason)
	}
}

func (r *conditions) validate(c *checker, _ string) {
	c.need(len(r.WarmKeys) <= 32, "%d warm keys", len(r.WarmKeys))
	for _, key := range r.WarmKeys {
		c.need(key != "" && len(key) <= 256, "a warm key of %d bytes", len(key))
	}
	c.need(len(r.WarmImages) <= 64, "%d warm images", len(r.WarmImages))
	for _, image := range r.WarmImages {
		c.need(image != "" && len(image) <= 4096, "a warm image of %d bytes", len(image))
	}
}

func (r *hold) validate(c *checker, _ string) {
	for _, w := range r.Workers {
		c.id("workers", w)
	}
}

func (r *keep) validate(c *checker, _ string) {
	c.id("group", r.Group)
	c.need(!r.Chosen.Before(r.Since), "chosen %s is before since %s", r.Chosen, r.Since)
	c.need(r.MadeRoom.IsZero() || !r.MadeRoom.Before(r.Since), "made_room_at %s is before since %s", r.MadeRoom, r.Since)
	c.keptWorkers("workers", r.Workers)
	groups := map[string]bool{r.Group: true}
	for i := range r.Beside {
		b := &r.Beside[i]
		c.id("beside.group", b.Group)
		c.need(!groups[b.Group], "group %q stands there twice", b.Group)
		groups[b.Group] = true
		c.keptWorkers("beside.workers", b.Workers)
	}
}

func (c *checker) keptWorkers(field string, all []keptWorker) {
	before := ""
	for i := range all {
		w := &all[i]
		c.id(field+".worker", w.Worker)
		c.need(w.Worker > before, "worker %q does not come behind %q", w.Worker, before)
		before = w.Worker
		w.Share.validate(c, field+".share")
	}
}

func (r *pool) validate(c *checker, _ string) {
	c.word("strategy", r.Strategy, wordsOfStrategy)
	c.weights("weights", r.Weights)
	if s := r.Shadow; s != nil {
		c.need(s.Strategy != "" || len(s.Weights) > 0, "shadow: it names no policy")
		if s.Strategy != "" {
			c.word("shadow.strategy", s.Strategy, wordsOfStrategy)
		}
		c.weights("shadow.weights", s.Weights)
	}
	c.within("brake_percent", r.BrakePercent, 1, 100)
	c.within("brake_workers", r.BrakeWorkers, 1, 1_000_000)
	c.within("brake_window_ms", r.BrakeWindowMS, 1000, 3_600_000)
	c.within("brake_bound_ms", r.BrakeBoundMS, 1000, 604_800_000)
}

func (c *checker) weights(field string, weights map[string]int64) {
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		c.word(field, name, wordsOfScorer)
		c.within(field+"."+name, weights[name], 0, 1000)
	}
}

// within bounds a number that may be left out.
func (c *checker) within(field string, value, low, high int64) {
	c.need(value == 0 || value >= low && value <= high, "field %q is %d; allowed: %d to %d", field, value, low, high)
}

func (r *brake) validate(c *checker, _ string) {
	c.word("state", r.State, wordsOfBrake)
	c.need((r.State == "released") == (r.Why != ""), "\"why\" stands in a released brake, and only there")
	if r.Why != "" {
		c.word("why", r.Why, wordsOfRelease)
	}
	c.least("lost", r.Lost, 0)
	c.least("held", r.Held, 0)
	c.need(r.Size >= r.Lost, "size %d is less than lost %d", r.Size, r.Lost)
	c.within("bound_ms", r.BoundMS, 1000, 604_800_000)
	c.least("bound_ms", r.BoundMS, 1000)
}

func (r *tenant) validate(c *checker, _ string) {
	c.within("weight", r.Weight, 1, 1000)
	for p, q := range r.Pools {
		c.id("pools", p)
		c.amounts("limits", q.Limits)
		c.amounts("taken", q.Taken)
		c.least("blocks", q.Blocks, 0)
		for _, d := range q.Short {
			c.id("short", d)
		}
		c.amounts("guaranteed", q.Guaranteed)
		for d, v := range q.Guaranteed {
			most, limited := q.Limits[d]
			c.need(limited && v <= most, "guaranteed is %d of %s, which is limited to %d", v, d, most)
		}
		c.loans("lent", q.Lent)
		c.loans("borrowed", q.Borrowed)
		c.loans("recalled", q.Recalled)
		for d, w := range q.Waits {
			c.id("waits", d)
			c.least("waits."+d+".since", w.Since, 1)
			if w.Request != "" {
				c.id("waits."+d+".request", w.Request)
			}
		}
		for d, g := range q.Gathering {
			c.id("gathering", d)
			g.validate(c, "gathering."+d)
		}
		for t, of := range q.Recalled {
			for d, v := range of {
				c.need(v <= q.Lent[t][d], "recalled of %s is %d of %s, and %d are lent", t, v, d, q.Lent[t][d])
			}
		}
		for t, since := range q.RecalledSince {
			c.id("recalled_since", t)
			c.need(!since.IsZero(), "recalled_since of %s is no time", t)
		}
		if q.ReclaimAfterMS != nil {
			c.within("reclaim_after_ms", *q.ReclaimAfterMS, 0, 31_536_000_000)
		}
	}
}

func (c *checker) loans(field string, of loans) {
	for t, amounts := range of {
		c.id(field, t)
		c.amounts(field+"."+t, amounts)
		for d, v := range amounts {
			c.least(field+"."+t+"."+d, v, 1)
		}
	}
}

func (r *block) validate(c *checker, _ string) {
	for p, b := range r.Pools {
		c.id("pools", p)
		c.amounts("block", b.Block)
		c.amounts("used", b.Used)
	}
}

func (g *gathering) validate(c *checker, field string) {
	c.need((g.Group == "") != (g.Request == ""), "%s is for group %q and request %q; it is for one of both", field, g.Group, g.Request)
	c.id(field, g.Group+g.Request)
	c.within(field+".priority", g.Priority, 0, 1000)
	c.least(field+".age", g.Age, 1)
	c.need(len(g.Need) > 0, "%s needs nothing", field)
	c.amounts(field+".need", g.Need)
	c.need(!g.Since.IsZero(), "%s.since is no time", field)
}

func (c *checker) amounts(field string, amounts map[string]int64) {
	for word, v := range amounts {
		d, ok := dimensionOf(word)
		c.need(ok && (d.name == "" || validID(d.name)), "field %q has %q, which is no dimension", field, word)
		c.least(field+"."+word, v, 0)
	}
}

func (r *supply) validate(c *checker, _ string) {
	c.id("pool", r.Pool)
	c.least("count", r.Count, 0)
}

func (s *spec) validate(c *checker, id string) {
	c.need(s.ID == id, "spec.id is %q, which is not the key's", s.ID)
	c.id("spec.tenant", s.Tenant)
	c.id("spec.pool", s.Pool)
	c.need(len(s.Command) > 0, "spec.command is empty")
	s.Resources.quantities.validate(c, "spec.resources")
	for _, p := range s.Resources.Ports {
		c.need(p.Number >= 0 && p.Number <= 65535, "spec.resources.ports: %d is no port", p.Number)
	}
	for _, d := range s.Resources.Devices {
		c.need(d.Count >= 1 && d.Milli >= 1 && d.Milli <= 1000, "spec.resources.devices: %d of %d thousandths", d.Count, d.Milli)
	}
	for _, k := range s.Constraints {
		c.word("spec.constraints.operator", k.Operator, wordsOfOperator)
	}
	for _, a := range slices.Concat(s.Affinity, s.AntiAffinity) {
		c.need((a.Requests == nil) == (len(a.Workers) > 0), "spec: an affinity is to requests or to workers")
		c.need((a.Requests == nil) == (a.Topology == ""), "spec: a topology stands with requests, and only there")
		c.need(a.Weight >= 0 && a.Weight <= 100, "spec: a weight is %d", a.Weight)
		for _, k := range a.Workers {
			c.word("spec.affinity.workers.operator", k.Operator, wordsOfOperator)
		}
	}
	for _, p := range s.Spread {
		c.need(p.MaxSkew >= 1 && p.Weight >= 0 && p.Weight <= 100 && p.Topology != "", "spec.spread: max_skew %d, weight %d over %q", p.MaxSkew, p.Weight, p.Topology)
	}
	for _, t := range s.Tolerations {
		c.word("spec.tolerations.operator", t.Operator, wordsOfTolerate)
		if t.Effect != "" {
			c.word("spec.tolerations.effect", t.Effect, wordsOfEffect)
		}
	}
	if s.Preemption != "" {
		c.word("spec.preemption", s.Preemption, wordsOfPreempt)
	}
	for _, end := range s.Retry.On {
		c.word("spec.retry.on", end, wordsOfRetry)
	}
	if s.OnDrain != "" {
		c.word("spec.on_drain", s.OnDrain, wordsOfOnDrain)
	}
	if s.Replaces != "" {
		c.id("spec.replaces", s.Replaces)
	}
	if g := s.Group; g != nil {
		c.id("spec.group.id", g.ID)
		c.need(g.MinCount >= 1 && g.Size >= g.MinCount && g.Size <= 1000, "spec.group: min_count %d of %d", g.MinCount, g.Size)
	}
	s.numbers(c)
}

const yearMS = 365 * 24 * 3600 * 1000

// numbers are those that a request may have no more of than the API takes.
func (s *spec) numbers(c *checker) {
	for _, n := range []struct {
		field       string
		value, most int64
	}{
		{"priority", s.Priority, 1000},
		{"resources.cpu_milli", s.Resources.CPUMilli, 1_000_000_000},
		{"resources.memory_bytes", s.Resources.MemoryBytes, 1 << 50},
		{"resources.disk_bytes", s.Resources.DiskBytes, 1 << 60},
		{"stop_timeout_ms", s.StopTimeoutMS, 3_600_000},
		{"start_timeout_ms", s.StartTimeoutMS, yearMS},
		{"run_limit_ms", s.RunLimitMS, yearMS},
		{"pending_limit_ms", s.PendingLimitMS, yearMS},
		{"on_disconnect_keep_ms", s.KeepMS, yearMS},
		{"retry.max_attempts", s.Retry.MaxAttempts, 100},
		{"retry.backoff_ms", s.Retry.BackoffMS, 60_000},
	} {
		c.within("spec."+n.field, n.value, 0, n.most)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Resources.Custom)) {
		c.within("spec.resources.custom."+name, s.Resources.Custom[name], 0, 1_000_000_000_000_000)
	}
	devices := int64(0)
	for _, d := range s.Resources.Devices {
		devices += min(max(d.Count, 0), 65)
	}
	c.within("spec.resources.devices, all of them", devices, 0, 64)
}

func (q quantities) validate(c *checker, field string) {
	c.least(field+".cpu_milli", q.CPUMilli, 0)
	c.least(field+".memory_bytes", q.MemoryBytes, 0)
	c.least(field+".disk_bytes", q.DiskBytes, 0)
	for _, label := range slices.Sorted(maps.Keys(q.Custom)) {
		c.id(field+".custom", label)
		c.least(field+".custom."+label, q.Custom[label], 0)
	}
}

func (s share) validate(c *checker, field string) {
	s.quantities.validate(c, field)
	for _, p := range s.Ports {
		c.need(p >= 1 && p <= 65535, "field %q has port %d", field, p)
	}
	seen := map[string]bool{}
	for _, d := range s.Devices {
		c.id(field+".devices.name", d.Name)
		c.least(field+".devices.milli", d.Milli, 1)
		c.need(!seen[d.Name], "field %q has device %s twice", field, d.Name)
		seen[d.Name] = true
	}
}

func (k capacity) validate(c *checker) {
	k.quantities.validate(c, "capacity")
	r := k.Ports
	c.need(r == portRange{} || (r.First >= 1 && r.First <= r.Last && r.Last <= 65535), "capacity.ports: %d to %d is no range", r.First, r.Last)
	seen := map[string]bool{}
	for _, d := range k.Devices {
		c.id("capacity.devices.name", d.Name)
		c.id("capacity.devices.type", d.Type)
		c.need(!seen[d.Name], "capacity.devices has %s twice", d.Name)
		seen[d.Name] = true
	}
}
