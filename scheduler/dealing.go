package scheduler

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

// Members of a group that ask for devices several times may get of each type as much as a quota has of it. Each demand of each
// member is of one type; which, is dealt so that all find enough, where that can be.

// Portion is what one demand of each member takes: so much of one of some types.
type Portion struct {
	Want  int64
	Kinds []string
}

// Dealt is how much of each type is dealt.
type Dealt struct {
	Of     map[string]int64 // of the types that are bounded
	Found  bool
	GaveUp bool // it was not found, and not all ways were tried
}

// maxDealSteps bounds the search for one dealing. With two demands of two types it is enough for the largest group.
const maxDealSteps = 5000

// DealTypes deals so many members the types of their portions: of each no more than there is left; of those for which that is not
// told there is enough.
func DealTypes(portions []Portion, members int64, left map[string]int64) Dealt {
	steps := maxDealSteps
	return dealTypes(portions, members, left, &steps)
}

func dealTypes(portions []Portion, members int64, left map[string]int64, steps *int) Dealt {
	d := dealing{left: maps.Clone(left), steps: steps, vain: make(map[string]struct{})}
	for _, p := range portions {
		d.add(p, members)
	}
	d.sort()
	if !d.serve(0) {
		return Dealt{GaveUp: *steps < 0}
	}
	out := Dealt{Found: true, Of: make(map[string]int64)}
	for kind, v := range left {
		if got := v - d.left[kind]; got > 0 {
			out.Of[kind] = got
		}
	}
	return out
}

// dealing is the search: portion by portion, as much as there is of its first type, then of the next. What was left in vain for the
// portions behind is not tried again.
type dealing struct {
	portions []portions
	types    []string // of all portions, sorted
	left     map[string]int64
	steps    *int
	vain     map[string]struct{}
}

// portions are equal ones of many.
type portions struct {
	Portion
	times int64
}

// add adds the portions of members, but for what may be of a type that has no bound.
func (d *dealing) add(p Portion, members int64) {
	for _, kind := range p.Kinds {
		if _, bounded := d.left[kind]; !bounded {
			return
		}
	}
	for i := range d.portions {
		if o := &d.portions[i]; o.Want == p.Want && slices.Equal(o.Kinds, p.Kinds) {
			o.times += members
			return
		}
	}
	d.portions = append(d.portions, portions{p, members})
}

// sort puts those first that have the fewest types to choose from, and of these the large ones.
func (d *dealing) sort() {
	slices.SortStableFunc(d.portions, func(a, b portions) int {
		return cmp.Or(cmp.Compare(len(a.Kinds), len(b.Kinds)), cmp.Compare(b.Want, a.Want))
	})
	for i := range d.portions {
		d.types = append(d.types, d.portions[i].Kinds...)
	}
	slices.Sort(d.types)
	d.types = slices.Compact(d.types)
}

// serve deals from portion i on.
func (d *dealing) serve(i int) bool {
	if i == len(d.portions) {
		return true
	}
	if !d.enough(i) {
		return false
	}
	at := []byte{byte(i)}
	for _, kind := range d.types {
		at = binary.AppendVarint(at, d.left[kind])
	}
	if _, vain := d.vain[string(at)]; vain {
		return false
	}
	if d.split(i, 0, d.portions[i].times) {
		return true
	}
	d.vain[string(at)] = struct{}{}
	return false
}

// enough says whether all that is left would be, were it all of one type.
func (d *dealing) enough(i int) bool {
	var want, has int64
	for j := range d.portions[i:] {
		p := &d.portions[i+j]
		want += p.times * p.Want
	}
	for _, kind := range d.types {
		if slices.ContainsFunc(d.portions[i:], func(p portions) bool { return slices.Contains(p.Kinds, kind) }) {
			has += d.left[kind]
		}
	}
	return want <= has
}

// split deals what is left of portion i from its type number k on.
func (d *dealing) split(i, k int, rest int64) bool {
	p := &d.portions[i]
	if rest == 0 || k == len(p.Kinds) {
		return rest == 0 && d.serve(i+1)
	}
	behind := int64(0)
	for _, kind := range p.Kinds[k+1:] {
		behind += d.left[kind] / p.Want
	}
	for n := min(rest, d.left[p.Kinds[k]]/p.Want); n >= max(rest-behind, 0); n-- {
		if *d.steps--; *d.steps < 0 {
			return false
		}
		d.left[p.Kinds[k]] -= n * p.Want
		if d.split(i, k+1, rest-n) {
			return true
		}
		d.left[p.Kinds[k]] += n * p.Want
	}
	return false
}
