package berth

import (
	"slices"
	"time"
)

// Keep is what of a pool's workers is kept for a group that waits and does not fit, under
// keeps/<p>: so there is one in a pool at most. Whoever else is to be placed there gets
// only what is left beside the shares, or, where By is known, what it gives back by then.
//
// It promises nothing: nobody compares it, and a placement beyond it breaks no rule of the
// store. The group is placed like any other, wherever it fits.
type Keep struct {
	Header
	Group    GroupID      `json:"group"`
	Since    time.Time    `json:"since"`                 // something has been kept for it
	Chosen   time.Time    `json:"chosen"`                // the workers were, without regard to which it was before
	By       time.Time    `json:"by,omitzero"`           // all that it waits for ends by then, as run limits and stop orders say; zero: not known
	MadeRoom time.Time    `json:"made_room_at,omitzero"` // others were last told to stop for it, by the transaction that put that; zero: nobody was
	Workers  []KeptWorker `json:"workers"`               // by id

	Beside []KeptBeside `json:"beside,omitempty"` // by priority
}

// KeptBeside is what is kept beside that for another group, that a drain has stopped, until it has been tried: all the room
// that it needs, so it waits for nobody else's part.
type KeptBeside struct {
	Group   GroupID      `json:"group"`
	Since   time.Time    `json:"since"`       // something is kept for it
	By      time.Time    `json:"by,omitzero"` // as of Keep
	Workers []KeptWorker `json:"workers"`     // as of Keep
}

// Groups are those for which something is kept, the one that gathers first.
func (k *Keep) Groups() []GroupID {
	if k == nil {
		return nil
	}
	all := []GroupID{k.Group}
	for i := range k.Beside {
		all = append(all, k.Beside[i].Group)
	}
	return all
}

// For is what is kept for a group; nil: nothing is.
func (k *Keep) For(g GroupID) []KeptWorker {
	switch {
	case k == nil:
		return nil
	case k.Group == g:
		return k.Workers
	}
	for i := range k.Beside {
		if k.Beside[i].Group == g {
			return k.Beside[i].Workers
		}
	}
	return nil
}

// All is what is kept for all of them.
func (k *Keep) All() (all []KeptWorker) {
	for _, g := range k.Groups() {
		all = append(all, k.For(g)...)
	}
	return all
}

// Without is what is kept for the others; nil: nothing is. The next one gathers where that was this one.
func (k *Keep) Without(g GroupID) *Keep {
	if k == nil {
		return nil
	}
	next := *k
	next.Beside = slices.DeleteFunc(slices.Clone(k.Beside), func(o KeptBeside) bool { return o.Group == g })
	if k.Group != g {
		return &next
	}
	if len(next.Beside) == 0 {
		return nil
	}
	first := next.Beside[0]
	return &Keep{Group: first.Group, Since: first.Since, Chosen: first.Since, By: first.By, Workers: first.Workers, Beside: next.Beside[1:]}
}

// Instead is next in place of what is kept for the group that gathers: what is kept for others stays.
func (k *Keep) Instead(next Keep) Keep {
	next.Beside = nil
	if k != nil {
		next.Beside = slices.DeleteFunc(slices.Clone(k.Beside), func(o KeptBeside) bool { return o.Group == next.Group })
	}
	return next
}

// KeptWorker is what is kept of one worker: the shares of so many members as are to go
// there. It may be more than is free now; it is empty where others only make room, for who goes
// elsewhere has to be apart from them.
type KeptWorker struct {
	Worker WorkerID `json:"worker"`
	Share  Share    `json:"share"`
}
