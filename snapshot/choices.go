package snapshot

import (
	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// choices are those of one type of devices for each demand of a request of which its quota has enough for all of them, with what others lend: as
// daemons try them where the first choice of types has too little, or fits nowhere.
func (c *course) choices(r *berth.Request) []*berth.Request {
	of := accountOf(r)
	b := c.quotas[of]
	if b == nil || len(r.Resources.Devices) < 2 {
		return nil
	}
	left := c.devicesLeft(r, b, func(d berth.Dimension) int64 { return c.room(of, d) })
	return scheduler.Choices(r, c.fleet.DeviceTypes(r.Pool), left)
}

// placeAllowed finds a place for a request: with the types that its quota leaves its demands one after the other; or, where that
// is nowhere, or more than the quota has of a type, with one choice for all of them.
func (c *course) placeAllowed(cand *scheduler.Candidate, choices []*berth.Request) scheduler.Decision {
	d := c.fleet.Place(*cand)
	if len(choices) == 0 {
		return d
	}
	if d.Verdict == nil {
		if c.exceeds(accountOf(cand.Request), &d.Share, &c.fleet.Worker(d.Worker).Ledger.Capacity) == nil {
			return d
		}
		c.unplace(d.Worker, &d.Share)
	}
	for _, as := range choices {
		one := *cand
		one.Request, one.Again = as, true
		if other := c.fleet.Place(one); other.Verdict == nil {
			cand.Request = as
			return other
		}
	}
	if d.Verdict == nil {
		return c.fleet.Place(*cand) // for the caller to say what that exceeds
	}
	return d
}

// allowedChoice is allowed of a request by itself, whose demands may find enough where they do not choose their types one after the other.
func (c *course) allowedChoice(r *berth.Request, choices []*berth.Request) (as *berth.Request, v *berth.Verdict) {
	if as, v = c.allowed(r, 1); v == nil {
		return as, nil
	}
	for _, other := range choices {
		if one, over := c.allowed(other, 1); over == nil {
			return one, nil
		}
	}
	return as, v
}
