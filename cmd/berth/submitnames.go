package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// wantedNames are the names in a request that mean something only where workers have them.
type wantedNames struct {
	constraints []string // labels that constraints ask for
	topologies  []string // labels over which it is to be near others, or even with them
	together    string   // the label of which all of its group are to have one value
	types       []string // of devices, of each demand
	ports       []int32  // by number
}

// wantedOf are those that a request needs.
func wantedOf(spec *berthv1.Request) wantedNames {
	var w wantedNames
	for _, c := range spec.GetConstraints() {
		switch berth.Operator(c.GetOperator()) {
		case berth.OperatorNotIn, berth.OperatorNotExists: // a worker without the label meets it
		default:
			w.constraints = append(w.constraints, c.GetLabel())
		}
	}
	for _, a := range spec.GetAffinity() {
		if a.GetWeight() == 0 && a.GetRequests() != nil {
			w.topologies = append(w.topologies, a.GetTopology())
		}
	}
	for _, s := range spec.GetSpread() {
		if s.GetWeight() == 0 {
			w.topologies = append(w.topologies, s.GetTopology())
		}
	}
	w.topologies = slices.DeleteFunc(w.topologies, func(l string) bool { return l == "" || l == berth.TopologyHost })
	w.together = spec.GetGroup().GetTopology()
	for _, d := range spec.GetResources().GetDevices() {
		w.types = append(w.types, strings.Join(d.GetTypes(), " "))
	}
	for _, p := range spec.GetResources().GetPorts() {
		if p.GetNumber() != 0 {
			w.ports = append(w.ports, p.GetNumber())
		}
	}
	return w
}

// none says whether no name can be misspelt, and no number be out of range.
func (w *wantedNames) none() bool {
	return len(w.constraints)+len(w.topologies)+len(w.ports) == 0 && w.together == "" && strings.Join(w.types, "") == ""
}

// namesAsked bounds the questions about requests: see asksMost. Workers are asked for once, where
// something would wait for ever.
type namesAsked struct {
	cl      *client.Client
	asked   map[string]bool
	workers []*berthv1.Worker
}

// unknown says which names of a request that waits no worker of its pool has: it would wait for
// ever, unless such a worker comes.
func (a *namesAsked) unknown(ctx context.Context, r *berthv1.SubmitResult) []string {
	spec := r.GetStatus().GetSpec()
	want := wantedOf(spec)
	key := fmt.Sprint(spec.GetPool(), want)
	if want.none() || a.asked[key] || len(a.asked) == asksMost {
		return nil
	}
	a.asked[key] = true
	id := r.GetId()
	if g := spec.GetGroup(); g != nil {
		id = string(berth.GroupID(g.GetId()).Members(g.GetSize())[0])
	}
	e, err := a.cl.Explain(ctx, id)
	if err != nil || !waitsForEver(e) {
		return nil
	}
	if a.workers == nil {
		if a.workers, err = a.cl.Workers(ctx); err != nil {
			return nil
		}
	}
	var out []string
	for _, text := range want.missing(spec, a.workers) {
		out = append(out, fmt.Sprintf("%s waits: no worker of its pool has %s", r.GetId(), text))
	}
	return out
}

// waitsForEver says whether nothing that ends would help: a label over which others are looked for
// is told apart, for it may be that none is needed.
func waitsForEver(e *berthv1.ExplainResponse) bool {
	return e.GetVerdict().GetNeverFits() || slices.ContainsFunc(e.GetNearest().GetReasons(), func(r *berthv1.Reason) bool {
		return r.GetCode() == string(berth.ReasonTopology) && r.GetTotal() == 0
	})
}

// missing tells the names that no worker of the pool has, with the nearest that some have.
func (w *wantedNames) missing(spec *berthv1.Request, workers []*berthv1.Worker) (out []string) {
	labels, types := map[string]bool{}, map[string]bool{}
	for _, one := range workers {
		if one.GetPool() != spec.GetPool() {
			continue
		}
		for l := range one.GetLabels() {
			labels[l] = true
		}
		for _, d := range one.GetCapacity().GetDevices() {
			types[d.GetType()] = true
		}
	}
	label := func(l, what string) {
		if text := fmt.Sprintf("the label %s, %s%s", l, what, nearestOf(l, labels)); !labels[l] && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, l := range w.constraints {
		label(l, "which its constraints ask for")
	}
	for _, l := range w.topologies {
		label(l, "over which its affinity or spread is")
	}
	if w.together != "" {
		label(w.together, "of which its group is to have one value")
	}
	for _, d := range spec.GetResources().GetDevices() {
		if kinds := d.GetTypes(); len(kinds) > 0 && !slices.ContainsFunc(kinds, func(k string) bool { return types[k] }) {
			out = append(out, fmt.Sprintf("devices of type %s%s", orAny(kinds), nearestOf(kinds[0], types)))
		}
	}
	for _, number := range w.ports {
		if text := portMissing(number, spec.GetPool(), workers); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// portMissing says of a port that no worker of a pool gives out, which they do; or "".
func portMissing(number int32, pool string, workers []*berthv1.Worker) string {
	ranges := map[string]bool{}
	for _, one := range workers {
		r := one.GetCapacity().GetPorts()
		if one.GetPool() != pool || r.GetLast() == 0 {
			continue
		}
		if (berth.PortRange{First: r.GetFirst(), Last: r.GetLast()}).Holds(number) {
			return ""
		}
		ranges[fmt.Sprintf("%d-%d", r.GetFirst(), r.GetLast())] = true
	}
	return fmt.Sprintf("port %d to give out%s", number, nearestOf("", ranges))
}

// namesTold is how many names a warning offers.
const namesTold = 10

// nearestOf is the name that may have been meant, or those that there are.
func nearestOf(name string, known map[string]bool) string {
	best, least := "", max(len(name)/3, 1)+1
	for _, k := range sortedKeys(known) {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	names := sortedKeys(known)
	switch {
	case best != "":
		return "; did you mean " + best + "?"
	case len(names) > namesTold:
		return fmt.Sprintf("; there are %s and %d more", strings.Join(names[:namesTold], ", "), len(names)-namesTold)
	}
	return after("; there are ", strings.Join(names, ", "))
}

// distance is how many characters have to be changed, added or left out to make one of the other
// (Levenshtein's), two that stand in each other's place being one.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		var next []int
		next = append(next, i+1)
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			d := min(row[j]+same, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, before[j-1]+1)
			}
			next = append(next, d)
		}
		before, row = row, next
	}
	return row[len(b)]
}
