package daemon

import "github.com/berthd/berth"

// counts are of the requests that have not ended, by pool and state: who asks how
// many there are does not wait until they are counted.
type counts map[berth.PoolID]*[len(states)]int

// count adds a request, or takes it off.
func (v *view) count(x *life, by int) {
	pool, ok := v.poolOf(x)
	if !ok {
		return // of its request nothing can be read, or it is not there
	}
	of := v.counts[pool]
	if of == nil {
		of = new([len(states)]int)
		v.counts[pool] = of
	}
	of[v.standing(x)] += by
	if *of == ([len(states)]int{}) {
		delete(v.counts, pool)
	}
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
