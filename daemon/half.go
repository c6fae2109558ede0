package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// behind says whether the view holds only a part of a change to the keys in of: a
// transaction's answer laid single facts over it, and the watch has not come so
// far. What is due, k, is looked at again when it has. A plan made from such a
// mixture seldom applies, for it compares every record that it changes or that it
// counts on; but what does not fit together there is not broken.
func (l *loop) behind(k berth.Key, of ...berth.Key) bool {
	rev := l.view.newest(of...)
	if rev <= l.view.revision {
		return false
	}
	l.onceTold(rev, k)
	return true
}

// onceTold has keys looked at when the watch has told of a revision.
func (l *loop) onceTold(rev berth.Revision, keys ...berth.Key) {
	for _, k := range keys {
		l.halves[k] = max(rev, l.halves[k])
	}
}

// complete makes due what waited for a revision that the watch has passed. Each is
// looked at once for it, and the watch passes every revision of a fact.
func (l *loop) complete() {
	for _, k := range slices.SortedFunc(maps.Keys(l.halves), compareKeys) {
		if l.halves[k] <= l.view.revision {
			delete(l.halves, k)
			l.due.add(k)
		}
	}
}

// broken is corrupt for those who ask: a mixture is not, though nothing is planned
// about it either.
func (l *loop) broken(id berth.RequestID) bool {
	if !l.orphaned(id) {
		return l.unreadable(id)
	}
	of := []berth.Key{stateKey(id)}
	for w := range l.view.holders(id) {
		of = append(of, allocationKey(w, id))
	}
	return l.unreadable(id) || l.view.newest(of...) <= l.view.revision
}

// newest is the revision of the newest fact among keys.
func (v *view) newest(keys ...berth.Key) (rev berth.Revision) {
	for _, k := range keys {
		rev = max(rev, v.mod(k))
	}
	return rev
}
