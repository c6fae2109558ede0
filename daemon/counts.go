package daemon

import "github.com/berthd/berth"

// counts are of the requests that have not ended, by pool and state: who asks how
// many there are does not wait until they are counted.
type counts map[berth.PoolID]*[len(states)]int

// tally is where a request is counted; state 0: nowhere.
type tally struct {
	pool  berth.PoolID
	state stateCode
}

func (v *view) tallyOf(x *life) tally {
	pool, ok := v.poolOf(x)
	if !ok {
		return tally{} // of its request nothing can be read, or it is not there
	}
	return tally{pool, v.standing(x)}
}

// recount counts a request where it is now, and no more where it was.
func (v *view) recount(was, is tally) {
	if was == is {
		return
	}
	if of := v.counts[was.pool]; was.state != 0 {
		if of[was.state]--; *of == ([len(states)]int{}) {
			delete(v.counts, was.pool)
		}
	}
	if is.state == 0 {
		return
	}
	of := v.counts[is.pool]
	if of == nil {
		of = new([len(states)]int)
		v.counts[is.pool] = of
	}
	of[is.state]++
}

// standing is the state of a request's allocation, or PENDING.
func (v *view) standing(x *life) stateCode {
	if x.whole > 0 {
		if _, a, _ := v.allocationOf(x.id); a != nil {
			return max(pendingCode, codeOf(a.State))
		}
		return pendingCode
	}
	return max(pendingCode, x.runs)
}

// total counts the requests of all pools that are in a state; none: in any.
func (c counts) total(s berth.State) (n int) {
	for _, of := range c {
		for code, m := range of {
			if s == "" || states[code] == s {
				n += m
			}
		}
	}
	return n
}
