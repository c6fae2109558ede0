package scheduler

import (
	"math"
	"math/bits"

	"github.com/berthd/berth"
)

// Stay is an allocation on a worker, as who waits for its end sees it.
type Stay struct {
	Share *berth.Share
	Age   int64 // ms since it was placed
	Left  int64 // ms until it has ended at the latest, where Ends: it has a run limit, or is told to stop
	Ends  bool
}

// Wanting is a gang that does not fit, and waits.
type Wanting struct {
	Gang
	Waited   int64 // ms since something was kept for it first; 0: nothing was yet
	Patience int64 // ms that it waits yet; 0: for ever
	Anew     bool  // a round begins, or nothing is kept for it now: see KeepFor
}

// Round is the number of the round that a gang is in for which something has been kept for
// so many ms: each lasts as long as all before it.
func Round(waited int64) int { return bits.Len64(uint64(max(waited, 0)) / firstRound) }

const firstRound = 10_000

// Wanted is what is to be kept for a gang.
type Wanted struct {
	Workers []berth.KeptWorker // by id
	Within  int64              // ms until all that it waits for has ended, at the latest; 0: not known
}

// foreseen is how far ahead an end counts as known. A limit beyond says as little as none: else
// who waits for a service that has one of a year would keep others off for that year.
const foreseen = 7 * 24 * 3_600_000

// settled is how long room that is free, and not kept, counts as not had: it may be gone
// before it is.
const settled = 1000

// KeepFor chooses what is to be kept for a gang: the places for Need of its members that
// come free first. on tells who is on a worker, and is asked for all that could take any;
// what it returns is read before it is asked again. KeepChoice does so a part at a time.
//
// When an allocation ends is known where it has a limit that is not beyond foreseen: it may end before, but that
// is no guess, or what came last would be waited for whatever its limit. Of others it is guessed that they
// last as long again as they have lasted, and a quarter of what the gang has waited at least:
// being very young tells nothing. What has been there for long looks bad by that, and worse
// with each hour.
//
// What is kept stays kept for a round: or each allocation that has just begun would look
// better than one that is about to end, and nothing would ever be gathered. With each round
// it is chosen anew, but for what is free by then: who waits for what does not end has another
// choice. In a round that lasts longer than what runs there, all of it ends. So a gang waits no
// longer than eight times that, whatever comes meanwhile, where there are enough workers on which
// everything ends.
//
// Where a round begins, and even the best places wait for something that nobody knows the end
// of and that has lasted for at least half of what the gang has waited (see stay.lasting), nothing is kept: small requests
// do not wait for who waits for what may never end, also where that began after the first round.
// The gang hopes again, whenever that is asked, when what it needs is younger than that: so it is
// once it has waited for twice as long as what runs there lasts.
//
// Not ok: nothing is to be kept, for that reason; or there are too few places, however long it
// waits, or too few on which its devices are found together; or it does not wait so long.
func (f *Fleet) KeepFor(w Wanting, on func(berth.WorkerID) []Stay) (Wanted, bool) {
	c := f.BeginKeep(w)
	c.Look(math.MaxInt, on)
	return c.Choose(on)
}
