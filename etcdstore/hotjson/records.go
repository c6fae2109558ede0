package hotjson

import "github.com/berthd/berth"

// coded codes a record of the kinds that placements, reports and ends write, which is
// nearly all that is written; false: it is of another.
func (c *coder) coded(record any) bool {
	switch r := record.(type) {
	case *berth.Submission:
		submission(c, r, nil)
	case *berth.Progress:
		progress(c, r)
	case *berth.Allocation:
		allocation(c, r)
	case *berth.Ledger:
		ledger(c, r)
	case *berth.Archive:
		archive(c, r)
	case *berth.PlanBasis:
		planBasis(c, r)
	default:
		return false
	}
	return !c.lost
}

func header(c *coder, r *berth.Header) {
	number(c, "version", &r.Version)
	text(c, "txn", &r.Txn)
}

// submission writes the spec as content, where that is made already.
func submission(c *coder, r *berth.Submission, content []byte) {
	c.begin()
	header(c, &r.Header)
	text(c, "digest", &r.Digest)
	moment(c, "submitted_at", &r.SubmittedAt)
	maybeText(c, "planner", &r.Planner)
	if c.must("spec") {
		switch {
		case content != nil:
			c.text = append(c.text, content...)
		case c.reading:
			readSpec(c, &r.Spec)
		default:
			request(c, &r.Spec)
		}
	}
	c.end()
}

func progress(c *coder, r *berth.Progress) {
	c.begin()
	header(c, &r.Header)
	word(c, "state", &r.State)
	number(c, "attempt", &r.Attempt)
	number(c, "used_attempts", &r.Used)
	maybeText(c, "worker", &r.Worker)
	maybeNumber(c, "epoch", &r.Epoch)
	maybeText(c, "plan_id", &r.PlanID)
	maybeMoment(c, "not_before", &r.NotBefore)
	maybe(c, "priority_override", &r.Priority, numberItem)
	maybeList(c, "avoid", &r.Avoid, textItem)
	maybeWord(c, "last_end", &r.LastEnd)
	maybeText(c, "claim_on", &r.ClaimOn)
	c.end()
}

// allocation: those of one transaction mostly differ in their epochs alone.
func allocation(c *coder, r *berth.Allocation) {
	if c.reading && c.allocation.begins(c, r) {
		if number(c, "epoch", &r.Epoch); c.allocation.ends(c, r) {
			return
		}
	}
	c.begin()
	header(c, &r.Header)
	word(c, "state", &r.State)
	number(c, "attempt", &r.Attempt)
	from := c.at
	number(c, "epoch", &r.Epoch)
	to := c.at
	text(c, "plan_id", &r.PlanID)
	text(c, "tenant", &r.Tenant)
	share(c, "share", &r.Share)
	maybeText(c, "quota_block", &r.QuotaBlock)
	maybeText(c, "group", &r.Group)
	maybeNumber(c, "group_attempt", &r.GroupAttempt)
	number(c, "start_timeout_ms", &r.StartTimeoutMS)
	maybeNumber(c, "on_disconnect_keep_ms", &r.KeepMS)
	moment(c, "placed_at", &r.PlacedAt)
	maybeMoment(c, "started_at", &r.StartedAt)
	maybe(c, "stop", &r.Stop, stopOrder)
	maybe(c, "exit", &r.Exit, exit)
	if c.must("planned") {
		basis(c, &r.Planned)
	}
	c.end()
	if c.reading {
		rest := *r
		rest.Epoch = 0
		c.allocation.keep(c, from, to, &rest)
	}
}

func stopOrder(c *coder, r *berth.StopOrder) {
	c.begin()
	word(c, "reason", &r.Reason)
	moment(c, "deadline", &r.Deadline)
	maybeText(c, "message", &r.Message)
	maybeText(c, "replaced_by", &r.ReplacedBy)
	c.end()
}

func exit(c *coder, r *berth.Exit) {
	c.begin()
	word(c, "kind", &r.Kind)
	number(c, "code", &r.Code)
	maybeText(c, "signal", &r.Signal)
	maybeTrue(c, "out_of_memory", &r.OOM)
	maybeText(c, "message", &r.Message)
	moment(c, "at", &r.At)
	c.end()
}

func basis(c *coder, r *berth.Basis) {
	c.begin()
	number(c, "revision", &r.Revision)
	moment(c, "clock", &r.Clock)
	number(c, "seed", &r.Seed)
	text(c, "policy", &r.Policy)
	maybeMap(c, "overlay", &r.Overlay, numberItem)
	c.end()
}

func ledger(c *coder, r *berth.Ledger) {
	c.begin()
	header(c, &r.Header)
	number(c, "epoch", &r.Epoch)
	if c.must("capacity") {
		capacityOf(c, &r.Capacity)
	}
	number(c, "count", &r.Count)
	share(c, "reserved", &r.Reserved)
	share(c, "held", &r.Held)
	maybeList(c, "claims", &r.Claims, claim)
	maybeText(c, "lease", &r.Lease)
	maybeNumber(c, "ttl_seconds", &r.TTLSeconds)
	maybeNumber(c, "kill_bound_ms", &r.KillMS)
	maybeText(c, "state_id", &r.StateID)
	c.end()
}

func claim(c *coder, r *berth.Claim) {
	c.begin()
	text(c, "request", &r.Request)
	number(c, "attempt", &r.Attempt)
	share(c, "share", &r.Share)
	share(c, "wants", &r.Wants)
	maybeList(c, "victims", &r.Victims, textItem)
	maybe(c, "counted", &r.Counted, counted)
	maybeTrue(c, "lent", &r.Lent)
	c.end()
}

func counted(c *coder, r *berth.Counted) {
	c.begin()
	text(c, "tenant", &r.Tenant)
	text(c, "pool", &r.Pool)
	text(c, "block", &r.Block)
	c.end()
}

func archive(c *coder, r *berth.Archive) {
	c.begin()
	header(c, &r.Header)
	text(c, "digest", &r.Digest)
	if c.must("spec") {
		request(c, &r.Spec)
	}
	word(c, "state", &r.State)
	word(c, "reason", &r.Reason)
	maybeText(c, "message", &r.Message)
	number(c, "attempt", &r.Attempt)
	maybeText(c, "worker", &r.Worker)
	maybe(c, "exit", &r.Exit, exit)
	moment(c, "submitted_at", &r.SubmittedAt)
	maybeMoment(c, "placed_at", &r.PlacedAt)
	maybeMoment(c, "started_at", &r.StartedAt)
	moment(c, "ended_at", &r.EndedAt)
	maybeText(c, "replaced_by", &r.ReplacedBy)
	c.end()
}
