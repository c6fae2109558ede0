package sim

import (
	"github.com/berthd/berth"
)

// link is the link domain that the GPUs of a machine are in. Of no column there is none.
func (t *table) link(column string, m *Machine) (string, error) {
	if column == "" || t.text(column) == "" {
		return "", nil
	}
	if len(m.GPUs) == 0 {
		return "", t.wrong(column, "is given without gpus", "empty, or gpus of 1 or more")
	}
	return t.word(column)
}

// linked says whether all GPUs of a group are to be of one link domain, which whole ones can be.
func (t *table) linked(p *Pod) (bool, error) {
	switch t.text("group_linked") {
	case "", "false":
		return false, nil
	case "true":
	default:
		return false, t.wrong("group_linked", "is not allowed", "true, false")
	}
	switch {
	case p.GPUs == 0:
		return false, t.wrong("group_linked", "is given without gpus", "false, or gpus of 1 or more")
	case p.GPUMilli != berth.WholeDevice:
		return false, t.wrong("gpu_milli", "does not go with group_linked", "1000: whole GPUs")
	}
	return true, nil
}

// links are the link domains of machines, in the order of their names.
func (c *cluster) linkNames() (out []string) {
	seen := make(map[string]bool)
	for _, link := range c.links {
		if link != "" {
			seen[link] = true
		}
	}
	return sortedNames(seen)
}

// Unlinked says whether a group asks for GPUs of one link domain, and no machine is in any: such a
// group is never placed.
func (t *Trace) Unlinked() bool {
	for g := range t.groups {
		if t.groups[g].Linked {
			return len(t.cluster.linkNames()) == 0
		}
	}
	return false
}
