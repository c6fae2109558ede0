package berth

import (
	"cmp"
	"maps"
	"slices"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	if len(m) == 0 {
		return nil // most have none: that costs no iterator
	}
	return slices.Sorted(maps.Keys(m))
}
