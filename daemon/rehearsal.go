package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// rehearsal is what has been tried in the fleet.
type rehearsal struct {
	l     *loop
	ended map[berth.RequestID]bool
	undos []func()
}

// undo takes back all but so much of it.
func (h *rehearsal) undo(but int) {
	for _, do := range slices.Backward(h.undos[but:]) {
		do()
	}
	h.undos = h.undos[:but]
}

// end takes allocations off their workers, but for those whose share goes to a claim.
func (h *rehearsal) end(ids []berth.RequestID) {
	fleet := h.l.fleet
	for _, id := range ids {
		x := h.l.view.lives[id]
		on := x.worker.Value()
		w := fleet.Worker(on)
		if h.ended[id] || w == nil || w.Epoch != x.epoch || waitedFor(&w.Ledger, id) {
			continue
		}
		was, next := *w, *w
		ledger, err := w.Ledger.Release(x.terms.share)
		if err != nil {
			continue
		}
		next.Ledger = ledger
		fleet.Put(next)
		var labels map[string]string
		if x.spec != nil {
			labels = x.spec.request.Labels
		}
		fleet.Count(on, labels, -1)
		if h.ended == nil {
			h.ended = make(map[berth.RequestID]bool)
		}
		h.ended[id] = true
		h.undos = append(h.undos, func() {
			delete(h.ended, id)
			fleet.Count(on, labels, 1)
			fleet.Put(was)
		})
	}
}

// endLeaving takes those off some workers who leave anyway, whosever they are.
func (h *rehearsal) endLeaving(workers []berth.WorkerID) {
	for _, w := range workers {
		for _, x := range h.l.view.on[w] {
			if x.isOn(w) && x.leaving() {
				h.end([]berth.RequestID{x.id})
			}
		}
	}
}

// serve says whether all have places when some have ended.
func (h *rehearsal) serve(waits []reclaimer, ended []berth.RequestID) bool {
	h.end(ended)
	return !slices.ContainsFunc(waits, func(x reclaimer) bool { return !h.place(&x) })
}

// place gives one who waits places, if there are some.
func (h *rehearsal) place(x *reclaimer) bool {
	fleet := h.l.fleet
	d := fleet.PlaceGang(x.gang)
	if d.Verdict != nil {
		fleet.Undo(d)
		return false
	}
	for i, one := range d.Placed {
		fleet.Count(one.Worker, x.gang.Members[i].Request.Labels, 1)
	}
	h.undos = append(h.undos, func() {
		for i, one := range d.Placed {
			fleet.Count(one.Worker, x.gang.Members[i].Request.Labels, -1)
		}
		fleet.Undo(d)
	})
	return true
}
