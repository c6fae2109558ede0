package scheduler

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/berthd/berth"
)

// filter rejects workers for one reason.
type filter struct {
	code    berth.ReasonCode
	rejects string                      // whom, in words: for the table in docs/scheduling.md
	passing bool                        // what it rejects may fit later, with no worker changed
	byRow   bool                        // what it says of a worker without taints follows from a row's key and the worker's version: see lacking
	applies func(*query) bool           // nil: to every request
	passes  func(*query, *node) bool    // must not allocate
	why     func(*query, *node) measure // of a worker that does not pass; nil: the code says all

	all func(*query, *node) []measure // where several may stand in the way: each of them, in order; why tells the first
}

// measure is the numbers of a berth.Reason for one worker.
type measure struct {
	code              berth.ReasonCode // where it is another than the filter's
	detail            string
	want, best, total int64
}

// stateFilters look at the worker alone, in the order in which they are told. A
// worker that passes them is open.
var stateFilters = []filter{
	{
		code: berth.ReasonNotReady, rejects: "one whose ledger is not open for this life of it yet",
		passes: func(_ *query, n *node) bool { return n.worker.Ready },
	},
	{
		code: berth.ReasonRemoving, rejects: "one that an operator removes",
		passes: func(_ *query, n *node) bool { return !n.worker.Removing }, why: operatorWhy,
	},
	{
		code: berth.ReasonDraining, rejects: "one that an operator drains",
		passes: func(_ *query, n *node) bool { return !n.worker.Draining }, why: operatorWhy,
	},
	{
		code: berth.ReasonCordoned, rejects: "one that an operator has cordoned",
		passes: func(_ *query, n *node) bool { return !n.worker.Cordoned }, why: operatorWhy,
	},
	{
		code: berth.ReasonHeld, rejects: "one that is held for a moment, for a group",
		passes: func(_ *query, n *node) bool { return !n.worker.Held },
	},
	{
		code: berth.ReasonSuspended, rejects: "one whose starts fail in a row, for a while",
		passes: func(_ *query, n *node) bool { return !n.worker.Suspended },
	},
	{
		code: berth.ReasonSuspended, rejects: "after that while, one on which something else starts: one start at a time, until one works",
		passes: func(_ *query, n *node) bool { return !n.worker.Probing || n.worker.Starting <= 0 },
		why:    func(*query, *node) measure { return measure{detail: "one start at a time"} },
	},
}

func operatorWhy(_ *query, n *node) measure { return measure{detail: n.worker.Why} }

// demandFilters compare the request with the worker, the cheap ones first.
var demandFilters = []filter{
	{
		code: berth.ReasonKept, rejects: "one that is kept for a group that waits, with too little left beside what that needs; not what ends before the group could have it",
		applies: func(q *query) bool { return q.keep != nil }, passes: notKept,
		why: func(q *query, n *node) measure { return measure{detail: string(q.keep.named(n.worker.ID, q.request))} },
	},
	amountFilter(cpu, "one with less CPU free than is asked for"),
	amountFilter(memory, "the same, of memory"),
	amountFilter(disk, "the same, of disk"),
	{
		code: berth.ReasonImage, rejects: "one whose runtime takes no images, where the request has an `image`",
		applies: func(q *query) bool { return q.request.Image != "" },
		passes:  func(_ *query, n *node) bool { return n.worker.Images },
	},
	{
		code: berth.ReasonConstraint, rejects: "one whose labels do not meet all `constraints`",
		applies: func(q *query) bool { return len(q.request.Constraints) > 0 },
		passes:  func(q *query, n *node) bool { return q.constraints.Allows(n.worker.Labels) },
		why:     constraintWhy, all: constraintsWhy,
	},
	{
		code: berth.ReasonTaint, byRow: true, rejects: "one with a taint, its own or an operator's, of `no_place` or `no_run` that is not tolerated",
		passes: func(q *query, n *node) bool { return len(n.repels) == 0 || tolerates(q.request.Tolerations, n) },
		why:    taintWhy, all: taintsWhy,
	},
	relationFilter(berth.ReasonAffinity, "one where the requests of a required `affinity` are not"),
	relationFilter(berth.ReasonAntiAffinity, "one where those of a required `anti_affinity` are"),
	relationFilter(berth.ReasonSpread, "one in no domain of a required `spread`, or in one that would have more than `max_skew` above the fewest"),
	{
		code: berth.ReasonCustom, rejects: "one with less free of a custom resource than is asked for",
		applies: func(q *query) bool { return len(q.custom) > 0 },
		passes:  func(q *query, n *node) bool { return lacksCustom(q, n) < 0 },
		why:     customWhy, all: customsWhy,
	},
	{
		code: berth.ReasonPorts, rejects: "one on which a port that is asked for by number is taken or out of its range, or too few others are free",
		applies: func(q *query) bool { return len(q.request.Resources.Ports) > 0 },
		passes:  portsFit,
		why:     portsWhy, all: eachPortWhy,
	},
	{
		code: berth.ReasonDevices, byRow: true, rejects: "one without enough healthy devices of one wanted type, each with the room and the memory, and where that is asked for in one link domain",
		applies: func(q *query) bool { return len(q.request.Resources.Devices) > 0 },
		passes: func(q *query, n *node) bool {
			_, ok := q.devices.fit(n, q.request.Resources.Devices)
			return ok
		},
		why: devicesWhy, all: eachDemandWhy,
	},
}

// reservation is the last filter, and too dear for every worker: what it rejects
// is a ledger or a request that validation should have stopped.
var reservation = filter{
	code: berth.ReasonNotReady, rejects: "one whose ledger refuses the reservation, which is a mistake in one of the two",
	passes: func(q *query, n *node) bool { _, _, err := q.reserve(n); return err == nil },
	why:    func(*query, *node) measure { return measure{detail: "its ledger refuses the reservation"} },
}

func isOpen(n *node) bool { return rejects(stateFilters, nil, n) == nil }

// rejects returns the first of filters that n does not pass, or nil.
func rejects(filters []filter, q *query, n *node) *filter {
	for i := range filters {
		f := &filters[i]
		if (f.applies == nil || f.applies(q)) && !f.passes(q, n) {
			return f
		}
	}
	return nil
}

// amountCodes are those of the amounts' filters.
var amountCodes = [amounts]berth.ReasonCode{cpu: berth.ReasonCPU, memory: berth.ReasonMemory, disk: berth.ReasonDisk}

func amountFilter(r int, rejects string) filter {
	return filter{
		code: amountCodes[r], rejects: rejects, byRow: true,
		passes: func(q *query, n *node) bool { return q.want[r] <= n.own.free[r] },
		why: func(q *query, n *node) measure {
			return measure{want: q.want[r], best: max(n.own.free[r], 0), total: n.capacity[r]}
		},
	}
}

// constraintWhy names the first in words that is not met, so that the order of the
// constraints does not change a verdict (see Shape). One that its group has added nobody wrote.
func constraintWhy(q *query, n *node) measure {
	first, group := "", q.request.JoinsAt()
	for i := range q.constraints {
		if i == group || q.constraints[i].Allows(n.worker.Labels) {
			continue
		}
		if text := q.constraints[i].String(); first == "" || text < first {
			first = text
		}
	}
	if first == "" && group >= 0 {
		return measure{code: berth.ReasonElsewhere, detail: q.joinedText()}
	}
	return measure{detail: first}
}

// constraintsWhy names all that are not met.
func constraintsWhy(q *query, n *node) (all []measure) {
	for i := range q.constraints {
		if i != q.request.JoinsAt() && !q.constraints[i].Allows(n.worker.Labels) {
			all = append(all, measure{detail: q.constraints[i].String()})
		}
	}
	if len(all) == 0 {
		return []measure{constraintWhy(q, n)}
	}
	return inWords(all)
}

// inWords are measures by their details, each once.
func inWords(all []measure) []measure {
	slices.SortFunc(all, func(a, b measure) int { return cmp.Compare(a.detail, b.detail) })
	return slices.CompactFunc(all, func(a, b measure) bool { return a.detail == b.detail })
}

// lacksCustom is the index in q.custom of what n has too little of, or -1.
func lacksCustom(q *query, n *node) int {
	for i, c := range q.custom {
		if c.want > n.freeCustom(c.name) {
			return i
		}
	}
	return -1
}

func (n *node) freeCustom(name string) int64 {
	l := &n.worker.Ledger
	free := l.Capacity.Custom[name] - l.Reserved.Custom[name] - l.Held.Custom[name]
	if n.kept != nil {
		free -= n.kept.Custom[name]
	}
	return free
}

func customWhy(q *query, n *node) measure { return q.customAt(lacksCustom(q, n), n) }

func (q *query) customAt(i int, n *node) measure {
	c := q.custom[i]
	return measure{detail: c.name, want: c.want, best: max(n.freeCustom(c.name), 0), total: n.worker.Ledger.Capacity.Custom[c.name]}
}

func customsWhy(q *query, n *node) (all []measure) {
	for i, c := range q.custom {
		if c.want > n.freeCustom(c.name) {
			all = append(all, q.customAt(i, n))
		}
	}
	return all
}

func portsFit(q *query, n *node) bool {
	if q.takenPort(n) != 0 {
		return false
	}
	return q.anyPorts <= n.freePorts-int64(len(q.numbers))
}

// takenPort is the lowest number asked for that n cannot give, or 0.
func (q *query) takenPort(n *node) int32 {
	for _, p := range q.numbers {
		if !n.hasPort(p) {
			return p
		}
	}
	return 0
}

// hasPort says whether a port is free on n.
func (n *node) hasPort(p int32) bool {
	_, used := slices.BinarySearch(n.ports, p)
	return !used && n.worker.Ledger.Capacity.Ports.Holds(p)
}

func portsWhy(q *query, n *node) measure {
	if p := q.takenPort(n); p != 0 {
		return n.portWhy(p)
	}
	ports := n.worker.Ledger.Capacity.Ports
	return measure{want: q.anyPorts, best: max(n.freePorts-int64(len(q.numbers)), 0), total: ports.Count()}
}

// portWhy says that a port cannot be given on n.
func (n *node) portWhy(p int32) measure {
	m := measure{detail: strconv.Itoa(int(p)), want: 1}
	if n.worker.Ledger.Capacity.Ports.Holds(p) {
		m.total = 1
	}
	return m
}

func eachPortWhy(q *query, n *node) (all []measure) {
	for _, p := range q.numbers {
		if !n.hasPort(p) {
			all = append(all, n.portWhy(p))
		}
	}
	if len(all) == 0 {
		return []measure{portsWhy(q, n)}
	}
	return all
}

// pickPorts returns the ports of a worker that fits, in the order of the request.
func (q *query) pickPorts(n *node) []int32 {
	demands := q.request.Resources.Ports
	if len(demands) == 0 {
		return nil
	}
	out := make([]int32, 0, len(demands))
	next, last := n.worker.Ledger.Capacity.Ports.First, n.worker.Ledger.Capacity.Ports.Last
	for _, d := range demands {
		if d.Number != 0 {
			out = append(out, d.Number)
			continue
		}
		for next <= last && q.occupied(n, next) {
			next++
		}
		out = append(out, next)
		next++
	}
	return out
}

func (q *query) occupied(n *node, port int32) bool {
	_, used := slices.BinarySearch(n.ports, port)
	return used || slices.Contains(q.numbers, port)
}
