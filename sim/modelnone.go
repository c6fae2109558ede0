package sim

import (
	"slices"
	"strings"
)

// WithoutModel are the models of which jobs ask for GPUs, and of which no machine has any, as a | b where either would do, by
// name: such a job is never placed.
func (t *Trace) WithoutModel() []string {
	none := make(map[string]bool)
	for i := range t.shapes {
		s := &t.shapes[i]
		has := func(m machine) bool { return len(m.free) > 0 && slices.ContainsFunc(m.kinds(), s.takes) }
		if s.gpus > 0 && len(s.models) > 0 && !slices.ContainsFunc(t.cluster.machines, has) {
			none[strings.Join(s.models, " | ")] = true
		}
	}
	return sortedNames(none)
}
