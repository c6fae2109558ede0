package scheduler

import "github.com/berthd/berth"

// RoundEnds is how long something has been kept for a gang, in ms, when the round is over that
// it is in after so many: see Round.
func RoundEnds(waited int64) int64 { return firstRound << Round(waited) }

// LastsAtMost is for how many ms a request has its place at most, rounded up, as it counts where
// something is kept for a group; 0: nothing says. Of equal requests it tells all that a run
// limit changes.
func LastsAtMost(r *berth.Request) int64 { return lastsAtMost(r) }
