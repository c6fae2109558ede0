package hotjson

import "github.com/berthd/berth"

func planBasis(c *coder, r *berth.PlanBasis) {
	c.begin()
	header(c, &r.Header)
	text(c, "daemon", &r.Daemon)
	moment(c, "clock", &r.Clock)
	number(c, "revision", &r.Revision)
	text(c, "policy", &r.Policy)
	maybeTrue(c, "partial", &r.Partial)
	maybeTrue(c, "given", &r.Given)
	maybeList(c, "awake", &r.Awake, textItem)
	maybeList(c, "ledgers", &r.Ledgers, numberItem)
	maybeMap(c, "overlay", &r.Overlay, numberItem)
	maybeList(c, "seats", &r.Seats, plannedSeat)
	maybeList(c, "shares", &r.Shares, shareItem)
	maybeList(c, "steps", &r.Steps, plannedStep)
	c.end()
}

func plannedSeat(c *coder, r *berth.PlannedSeat) {
	c.begin()
	text(c, "worker", &r.Worker)
	maybeTrue(c, "unknown", &r.Unknown)
	maybeTrue(c, "opened", &r.Opened)
	maybe(c, "foreign", &r.Foreign, truthItem)
	maybeTrue(c, "held", &r.Held)
	maybeTrue(c, "suspended", &r.Suspended)
	maybeTrue(c, "probing", &r.Probing)
	maybeNumber(c, "starting", &r.Starting)
	c.end()
}

func plannedStep(c *coder, r *berth.PlannedStep) {
	c.begin()
	text(c, "w", &r.Worker)
	number(c, "s", &r.Share)
	maybeTrue(c, "free", &r.Free)
	c.end()
}
