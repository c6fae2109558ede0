package main

import (
	"fmt"
	"strings"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// leavers are those that would be stopped, as what they make room for tells of them.
type leavers struct {
	group map[berth.RequestID]*snapshot.Outcome // with which they go
	from  map[berth.RequestID]berth.WorkerID
	first map[berth.GroupID]berth.RequestID // of a group that has others make room, the member that tells who does
}

func groupsGoing(outcomes []snapshot.Outcome) *leavers {
	l := &leavers{make(map[berth.RequestID]*snapshot.Outcome), make(map[berth.RequestID]berth.WorkerID), make(map[berth.GroupID]berth.RequestID)}
	for i := range outcomes {
		o := &outcomes[i]
		if o.From != "" {
			l.from[o.Request] = o.From
		}
		if o.For != "" && o.Group != "" {
			l.group[o.Request] = o
		}
		if o.Group != "" && o.Verdict == nil && len(o.Victims) > 0 {
			l.first[o.Group] = o.Request
		}
	}
	return l
}

// before says what ends before a request that would be placed; or "": nothing does.
func (l *leavers) before(o *snapshot.Outcome) string {
	first := l.first[o.Group]
	switch n := len(o.Victims); {
	case o.Verdict != nil:
	case n > 0 && o.Group != "":
		return fmt.Sprintf("after the end of %s on %s: %s", plural(n, "request"), plural(l.workers(o), "worker"), l.names(o))
	case n > 0:
		return fmt.Sprintf("after the end of %s: %s", plural(n, "request"), l.names(o))
	case first != "":
		return "with " + string(first)
	}
	return ""
}

// workers is on how many who makes room is.
func (l *leavers) workers(o *snapshot.Outcome) int {
	on := make(map[berth.WorkerID]bool)
	for _, id := range o.Victims {
		if w := l.from[id]; w != "" {
			on[w] = true
		}
	}
	return len(on)
}

// namesMost bounds the names in a line: each has a line of its own, too.
const namesMost = 32

// names are who would end first; a group, which goes whole, by its name.
func (l *leavers) names(o *snapshot.Outcome) string {
	by := o.Request
	if o.Group != "" {
		by = berth.RequestID(o.Group)
	}
	var names []string
	seen := make(map[string]bool)
	for _, id := range o.Victims {
		name := string(id)
		if v := l.group[id]; v != nil && v.For == by {
			name = "group " + string(v.Group)
		}
		if !seen[name] {
			names = append(names, name)
		}
		seen[name] = true
	}
	if more := len(names) - namesMost; more > 0 {
		names = append(names[:namesMost], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
