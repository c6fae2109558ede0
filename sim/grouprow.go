package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/berthd/berth"
)

// Group has a job of a trace stand for so many, as a request's group does: they are
// placed together or not at all.
type Group struct {
	Name     string
	Size     int64
	MinCount int64  // so many at once, at least; the others follow when they fit
	Topology string // a label of machines, of which all of theirs have one value; empty: any machines
	Linked   bool   // all of their GPUs are of one link domain
}

// Site is machines with a label of that value, or the GPUs of a link domain, or both; none: all of
// them.
type Site struct {
	Label, Value string
	Link         string
}

// groupColumns are the columns of a row that stands for a group, by the fields of a request.
var groupColumns = map[string]string{
	"group.id": "group", "group.size": "group_size", "group.min_count": "group_min_count", "group.topology": "group_topology",
	"group.linked": "group_linked",
}

// group is what a row says of a group, or nil. What a request's group may be, it may be.
func (t *table) group(j *Job) (*Group, error) {
	said := ""
	for _, column := range []string{"group_linked", "group_topology", "group_min_count", "group_size", "group"} {
		if t.text(column) != "" {
			said = column
		}
	}
	if said == "" {
		return nil, nil //nolint:nilnil // most rows stand for themselves
	}
	if said != "group" {
		return nil, t.wrong("group", "is missing, with "+said, "an id")
	}
	if t.text("group_size") == "" {
		return nil, t.wrong("group_size", "is empty or missing, with group", fmt.Sprintf("1 to %d", berth.MaxGroupSize))
	}
	var size, least int64
	for column, to := range map[string]*int64{"group_size": &size, "group_min_count": &least} {
		v, err := strconv.ParseInt(t.text(column), 10, 64)
		if text := t.text(column); text != "" && err != nil {
			return nil, t.wrong(column, "is not allowed", fmt.Sprintf("a whole number of 1 to %d", berth.MaxGroupSize))
		}
		*to = v
	}
	linked, err := t.linked(&j.Pod)
	if err != nil {
		return nil, err
	}
	name, err := t.word("group")
	if err != nil {
		return nil, err
	}
	r := berth.Request{ID: berth.RequestID(name), Command: []string{"pod"}, Group: &berth.Membership{Size: size, MinCount: least, Topology: t.text("group_topology"), Linked: linked}}
	if linked {
		r.Resources.Devices = []berth.DeviceDemand{{Count: j.GPUs, Milli: j.GPUMilli}}
	}
	r = r.Normalize()
	if err := r.ValidateAsked(); err != nil {
		if field, ok := errors.AsType[*berth.FieldError](err); ok && groupColumns[field.Field] != "" {
			in := *field
			in.Field = groupColumns[field.Field]
			err = &in
		}
		return nil, &LineError{t.line, err}
	}
	return &Group{Name: name, Size: r.Group.Size, MinCount: r.Group.MinCount, Topology: r.Group.Topology, Linked: linked}, nil
}

// groupRows is what the rows of a file have together.
type groupRows struct {
	lines map[string]int // of groups, by their names
	jobs  int64
}

// add refuses a second group of a name, and more jobs than a file may have.
func (g *groupRows) add(t *table, j *Job) error {
	if g.jobs++; j.Group == nil {
		return nil
	}
	if line := g.lines[j.Group.Name]; line > 0 {
		return t.wrong("group", "is repeated", fmt.Sprintf("a name of its own: one row is a whole group; line %d has this one", line))
	}
	g.lines[j.Group.Name] = t.line
	if g.jobs += j.Group.Size - 1; g.jobs > maxPods {
		return t.wrong("group_size", "makes too many jobs", fmt.Sprintf("%d in all, members of groups counted", maxPods))
	}
	return nil
}

// labels are what a machine says of itself: rack=r1;zone=a. Of no column there are none.
func (t *table) labels(column string) (map[string]string, error) {
	if column == "" || t.text(column) == "" {
		return nil, nil
	}
	out := make(map[string]string)
	for part := range strings.SplitSeq(t.text(column), ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, repeated := out[name]; !ok || name == "" || repeated {
			return nil, t.wrong(column, "is no list of labels", "NAME=VALUE;NAME=VALUE, each name once")
		}
		out[name] = value
	}
	if err := berth.ValidateWorkerLabels(column, out); err != nil {
		return nil, &LineError{t.line, err}
	}
	return out, nil
}
