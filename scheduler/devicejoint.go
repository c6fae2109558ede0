package scheduler

import (
	"cmp"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// Demands of one request that could be on the same devices are judged together where what each lacks alone is not all:
// two that count the same free device would be told to wait for too few. What is told then is how many devices would have
// to be freed, as the search for a place finds it: a count of units that fit would not know which types they leave.

// What is looked at to explain is bounded: as much of the worker that is told of as of all that may be, of which none takes all of that. Beyond it are
// told as many devices as suffice, which may not be the fewest.
const (
	maxJointSteps   = maxDeviceSteps
	maxNearestSteps = 64 * maxDeviceSteps
)

// joint is demands that compete on a worker, in an order that is not the request's.
type joint struct {
	*deviceSearch
	n       *node
	demands []berth.DeviceDemand
	freed   []device // of the worker, were it empty
	suited  []int    // devices that one of the demands could be on
	left    int      // steps
	ofAll   *int     // of all workers that may be told of; nil: it is the one
}

// competing are the demands in groups, by whether they could be on the same devices of n.
func (q *query) competing(n *node) (groups [][]int) {
	order := q.byNeed()
	of := make([]int, len(order)) // the last that a demand is together with
	for i := range order {
		of[i] = i
		for k := range i {
			if of[k] == i || !n.compete(&q.request.Resources.Devices[order[i]], &q.request.Resources.Devices[order[k]]) {
				continue
			}
			for last, at := of[k], 0; at < i; at++ {
				if of[at] == last {
					of[at] = i
				}
			}
		}
	}
	at := make([]int, len(order)) // of the last, its group's number, from 1
	for i, d := range order {
		if at[of[i]] == 0 {
			groups = append(groups, nil)
			at[of[i]] = len(groups)
		}
		group := &groups[at[of[i]]-1]
		*group = append(*group, d)
	}
	return groups
}

// compete says whether two demands could be on the same device of n.
func (n *node) compete(a, b *berth.DeviceDemand) bool {
	for i := range n.devices {
		if v := &n.devices[i]; n.suits(v, a) && n.suits(v, b) {
			return true
		}
	}
	return false
}

// byNeed is the demands, those of the largest parts first, so that the order in a request does not change what is told.
func (q *query) byNeed() []int {
	if len(q.needs) > 0 {
		return q.needs
	}
	demands := q.request.Resources.Devices
	for i := range demands {
		q.needs = append(q.needs, i)
	}
	slices.SortStableFunc(q.needs, func(i, j int) int {
		a, b := &demands[i], &demands[j]
		return cmp.Or(cmp.Compare(b.Milli, a.Milli), cmp.Compare(b.Count, a.Count), cmp.Compare(q.demandDetail(i), q.demandDetail(j)))
	})
	for _, i := range q.needs {
		q.sorted = append(q.sorted, demands[i])
	}
	return q.needs
}

// suits says whether d could be on a device, were that free.
func (n *node) suits(v *device, d *berth.DeviceDemand) bool {
	return v.memory >= d.MemoryBytes && n.linksTo(v, d) && (len(d.Types) == 0 || slices.Contains(d.Types, n.kinds[v.kind]))
}

// together is what some of the demands, which compete on n, are to be told as one.
func (q *query) together(n *node, group []int) *joint {
	j := &joint{deviceSearch: &q.devices, n: n, freed: n.emptied().devices, left: min(maxJointSteps, q.jointly), ofAll: &q.jointly}
	if q.nearest {
		j.left, j.ofAll = maxNearestSteps, nil
	}
	for _, i := range group {
		j.demands = append(j.demands, q.request.Resources.Devices[i])
	}
	for i := range n.devices {
		if slices.ContainsFunc(j.demands, func(d berth.DeviceDemand) bool { return n.suits(&n.devices[i], &d) }) {
			j.suited = append(j.suited, i)
		}
	}
	return j
}

// fits says whether all demands find room on such devices.
func (j *joint) fits(devices []device, demands []berth.DeviceDemand) bool {
	if j.left <= 0 {
		return false
	}
	ok := j.several(j.n, devices, demands)
	spent := j.steps + len(devices) // which are copied, and looked through
	if j.left -= spent; j.ofAll != nil {
		*j.ofAll -= spent
	}
	return ok
}

// why tells the demands as one, in such words: with least devices freed they fit, or never, if that is 0. What has room
// are units; where a freed device would serve several of them, fewer are wanted than there are.
func (j *joint) why(least int64, detail string) measure {
	m := measure{detail: detail, total: int64(len(j.suited))}
	for i := range j.demands {
		m.want += j.demands[i].Count
	}
	all, less := m.want, max(least, 1)
	for j.left > 0 && less < all && !j.fitsWithout(nil, less) {
		less++
	}
	if m.best = all - less; least > 0 {
		m.want = m.best + least
	}
	return m
}

// fitsWithout says whether the demands fit with so many units less, of those behind the ones that are said already.
func (j *joint) fitsWithout(said []berth.DeviceDemand, less int64) bool {
	if len(said) == len(j.demands) {
		some := slices.DeleteFunc(slices.Clone(said), func(d berth.DeviceDemand) bool { return d.Count == 0 })
		return j.fits(j.n.devices, some)
	}
	d, behind := j.demands[len(said)], int64(0)
	for i := range j.demands[len(said)+1:] {
		behind += j.demands[len(said)+1+i].Count
	}
	has := d.Count
	for of := min(has, less); of >= max(less-behind, 0) && j.left > 0; of-- {
		d.Count = has - of
		if j.fitsWithout(append(slices.Clip(said), d), less-of) {
			return true
		}
	}
	return false
}

// least is how few devices have to be freed for all demands to fit; 0: never.
func (j *joint) least() int64 {
	if !j.fits(j.freed, j.demands) {
		return 0
	}
	classes := j.classes()
	most := j.enough(slices.Concat(classes...))
	for k := 1; k < most; k++ {
		if j.freeing(j.n.devices, classes, k) {
			return int64(k)
		}
	}
	return int64(most)
}

// enough is how many of some devices are left, of which to free all suffices, when one after the other is not needed.
func (j *joint) enough(order []int) int {
	devices, count := slices.Clone(j.freed), 0
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(j.n.devices[b].free, j.n.devices[a].free) })
	for _, i := range order {
		if devices[i] = j.n.devices[i]; !j.fits(devices, j.demands) {
			devices[i] = j.freed[i]
			count++
		}
	}
	return count
}

// classes are devices that differ in nothing but their room, those with the least first: of such, to free one with less
// is never worse.
func (j *joint) classes() (classes [][]int) {
	links := slices.ContainsFunc(j.demands, func(d berth.DeviceDemand) bool { return d.Linked || d.Link != "" })
	memory := slices.ContainsFunc(j.demands, func(d berth.DeviceDemand) bool { return d.MemoryBytes > 0 })
	order := slices.Clone(j.suited)
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(j.n.devices[a].free, j.n.devices[b].free) })
	for _, i := range order {
		v := &j.n.devices[i]
		if v.free == j.freed[i].free {
			continue
		}
		at := slices.IndexFunc(classes, func(c []int) bool {
			o := &j.n.devices[c[0]]
			return o.kind == v.kind && (!links || o.link == v.link) && (!memory || o.memory == v.memory)
		})
		if at < 0 {
			at, classes = len(classes), append(classes, nil)
		}
		classes[at] = append(classes[at], i)
	}
	return classes
}

// freeing says whether all demands fit with k more devices freed, of these classes.
func (j *joint) freeing(devices []device, classes [][]int, k int) bool {
	if k == 0 {
		return j.fits(devices, j.demands)
	}
	behind := 0
	for _, c := range classes[1:] {
		behind += len(c)
	}
	of := slices.Clone(devices)
	for used := 0; used <= min(k, len(classes[0])) && j.left > 0; used++ {
		if used > 0 {
			i := classes[0][used-1]
			of[i] = j.freed[i]
		}
		if k-used <= behind && j.freeing(of, classes[1:], k-used) {
			return true
		}
	}
	return false
}

// competingWhy tells demands that compete on n: each that lacks devices by itself, where that is all that they lack.
func (q *query) competingWhy(n *node, group []int) (all []measure) {
	for _, i := range group {
		if _, ok := fitsAlone(n, &q.request.Resources.Devices[i]); ok {
			continue
		}
		if m := q.demandWhy(n, i); !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	if len(group) == 1 {
		return all
	}
	j := q.together(n, group)
	if len(all) == 0 && j.fits(n.devices, j.demands) {
		return nil
	}
	least := j.least()
	if len(all) > 0 && (least == 0 || j.isAll(all, least)) {
		return all
	}
	return []measure{j.why(least, q.detailOf(group))}
}

// isAll says whether it would do to free what each demand lacks by itself.
func (j *joint) isAll(all []measure, least int64) bool {
	for i := range all {
		if all[i].code == berth.ReasonDeviceMilli {
			return len(all) == 1 && j.suffices(all[i].best, all[i].want)
		}
		least -= all[i].want - all[i].best
	}
	return least == 0
}

// suffices says whether the demands fit with one device that has so much room having more.
func (j *joint) suffices(has, want int64) bool {
	return slices.ContainsFunc(j.suited, func(i int) bool {
		if j.n.devices[i].free != has {
			return false
		}
		devices := slices.Clone(j.n.devices)
		devices[i].free = want
		return j.fits(devices, j.demands)
	})
}

// detailOf is demands in words.
func (q *query) detailOf(group []int) string {
	words := make([]string, len(group))
	for k, i := range group {
		words[k] = q.demandDetail(i)
	}
	return strings.Join(words, " + ")
}
