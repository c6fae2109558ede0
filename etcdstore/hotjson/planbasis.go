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
	maybe(c, "group", &r.Group, plannedGroup)
	maybeList(c, "awake", &r.Awake, textItem)
	maybeList(c, "ledgers", &r.Ledgers, numberItem)
	maybeMap(c, "overlay", &r.Overlay, numberItem)
	maybeList(c, "seats", &r.Seats, plannedSeat)
	maybeList(c, "shares", &r.Shares, shareItem)
	maybeList(c, "steps", &r.Steps, plannedStep)
	maybeList(c, "types", &r.Types, plannedTypes)
	maybeList(c, "room", &r.Room, plannedRoom)
	maybeList(c, "prices", &r.Prices, plannedPrices)
	maybeList(c, "relations", &r.Relations, plannedRelation)
	c.end()
}

func plannedGroup(c *coder, r *berth.PlannedGroup) {
	c.begin()
	text(c, "id", &r.ID)
	maybeNumber(c, "from", &r.From)
	number(c, "of", &r.Of)
	number(c, "need", &r.Need)
	maybeTrue(c, "kept", &r.Kept)
	maybeList(c, "types", &r.Types, words)
	maybeMap(c, "left", &r.Left, numberItem)
	c.end()
}

func plannedTypes(c *coder, r *berth.PlannedTypes) {
	c.begin()
	number(c, "step", &r.Step)
	list(c, "types", &r.Types, words)
	c.end()
}

func words(c *coder, r *[]string) { listItems(c, r, textItem) }

func plannedRoom(c *coder, r *berth.PlannedRoom) {
	c.begin()
	text(c, "request", &r.Request)
	sums(c, &r.PlannedLedger)
	maybe(c, "nowhere", &r.Nowhere, numberItem)
	maybeMap(c, "overlay", &r.Overlay, numberItem)
	maybeList(c, "types", &r.Types, words)
	maybe(c, "prices", &r.Prices, plannedPrices)
	maybeList(c, "beside", &r.Beside, plannedBeside)
	maybeTrue(c, "claim", &r.Claim)
	maybeList(c, "occupants", &r.Occupants, plannedOccupant)
	c.end()
}

func plannedOccupant(c *coder, r *berth.PlannedOccupant) {
	c.begin()
	text(c, "r", &r.Request)
	maybeNumber(c, "p", &r.Priority)
	maybeNumber(c, "members", &r.Members)
	maybeTrue(c, "leaving", &r.Leaving)
	maybeTrue(c, "chosen", &r.Chosen)
	c.end()
}

func plannedBeside(c *coder, r *berth.PlannedBeside) {
	c.begin()
	text(c, "topology", &r.Topology)
	if c.must("requests") {
		requestLabel(c, &r.Requests)
	}
	maybeNumber(c, "here", &r.Here)
	maybeNumber(c, "all", &r.All)
	maybeNumber(c, "fewest", &r.Fewest)
	c.end()
}

func plannedLedger(c *coder, r *berth.PlannedLedger) {
	c.begin()
	sums(c, r)
	c.end()
}

func sums(c *coder, r *berth.PlannedLedger) {
	number(c, "reserved", &r.Reserved)
	number(c, "held", &r.Held)
	number(c, "count", &r.Count)
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
	maybeNumber(c, "s", &r.Share)
	maybeTrue(c, "free", &r.Free)
	maybeNumber(c, "n", &r.More)
	maybe(c, "ledger", &r.Ledger, plannedLedger)
	maybeText(c, "r", &r.For)
	c.end()
}

func plannedPrices(c *coder, r *berth.PlannedPrices) {
	c.begin()
	text(c, "pool", &r.Pool)
	maybeNumber(c, "from", &r.From)
	maybeNumber(c, "at", &r.At)
	maybe(c, "prices", &r.Prices, prices)
	c.end()
}

func plannedRelation(c *coder, r *berth.PlannedRelation) {
	c.begin()
	text(c, "pool", &r.Pool)
	text(c, "topology", &r.Topology)
	if c.must("requests") {
		requestLabel(c, &r.Requests)
	}
	list(c, "told", &r.Told, plannedCounts)
	c.end()
}

func plannedCounts(c *coder, r *berth.PlannedCounts) {
	c.begin()
	maybeNumber(c, "from", &r.From)
	maybeMap(c, "counts", &r.Counts, numberItem)
	c.end()
}

func prices(c *coder, r *berth.Prices) {
	c.begin()
	number(c, "asked", &r.Asked)
	maybeList(c, "usual", &r.Usual, usualShape)
	maybeList(c, "groups", &r.Groups, groupsAsked)
	maybeMap(c, "devices", &r.Devices, numberItem)
	c.end()
}

func groupsAsked(c *coder, r *berth.GroupsAsked) {
	c.begin()
	maybeText(c, "topology", &r.Topology)
	number(c, "weight", &r.Weight)
	c.end()
}

func usualShape(c *coder, r *berth.UsualShape) {
	c.begin()
	maybeList(c, "types", &r.Types, textItem)
	number(c, "count", &r.Count)
	number(c, "milli", &r.Milli)
	number(c, "cpu_bucket", &r.CPU)
	number(c, "memory_bucket", &r.Memory)
	number(c, "weight", &r.Weight)
	number(c, "cpu_milli_sum", &r.CPUMilli)
	number(c, "memory_mib_sum", &r.MemoryMiB)
	c.end()
}
