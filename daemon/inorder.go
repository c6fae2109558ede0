package daemon

import (
	"cmp"
	"slices"
)

// inOrder is like a map, and is gone through in the order of its keys. It is for where what is
// found in one entry decides how far the next ones are looked at, which must not be up to the
// order of a map. One entry more moves those behind it: less than going through them all, which
// is done more often.
type inOrder[K cmp.Ordered, V any] []entry[K, V]

type entry[K cmp.Ordered, V any] struct {
	key K
	of  V
}

func (o inOrder[K, V]) find(k K) (at int, known bool) {
	return slices.BinarySearchFunc(o, k, func(e entry[K, V], k K) int { return cmp.Compare(e.key, k) })
}

// get is nothing where there is no such key.
func (o inOrder[K, V]) get(k K) (v V) {
	if at, known := o.find(k); known {
		v = o[at].of
	}
	return v
}

func (o *inOrder[K, V]) put(k K, v V) {
	if at, known := o.find(k); known {
		(*o)[at].of = v
	} else {
		*o = slices.Insert(*o, at, entry[K, V]{k, v})
	}
}

func (o *inOrder[K, V]) remove(k K) {
	if at, known := o.find(k); known {
		*o = slices.Delete(*o, at, at+1)
	}
}
