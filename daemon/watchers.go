package daemon

import (
	"slices"
	"sync"

	"github.com/berthd/berth"
)

// watcher gathers the ids that changed since its reader last looked, so that a
// slow reader costs no more memory than there are requests.
type watcher struct {
	mu    sync.Mutex
	dirty map[berth.RequestID]struct{}
	only  []berth.RequestID // none: all
	bell  chan struct{}     // written by the loop, never closed; one is enough to wake
	over  chan struct{}     // closed when the store's history is over
}

// ids are those by which the watcher is found.
func (w *watcher) ids() []berth.RequestID {
	if len(w.only) == 0 {
		return []berth.RequestID{""}
	}
	return w.only
}

// watchers are in the order in which they came, and by the ids that they watch: a
// change asks nobody whom it does not concern, however many wait for one request each.
type watchers struct {
	all []*watcher
	of  map[berth.RequestID][]*watcher // of those of all requests: by no id
}

func newWatchers() watchers { return watchers{of: make(map[berth.RequestID][]*watcher)} }

func (ws *watchers) add(w *watcher) {
	ws.all = append(ws.all, w)
	for _, id := range w.ids() {
		ws.of[id] = append(ws.of[id], w)
	}
}

func (ws *watchers) remove(w *watcher) {
	it := func(o *watcher) bool { return o == w }
	ws.all = slices.DeleteFunc(ws.all, it)
	for _, id := range w.ids() {
		if ws.of[id] = slices.DeleteFunc(ws.of[id], it); len(ws.of[id]) == 0 {
			delete(ws.of, id)
		}
	}
}

// touched tells those whom a request concerns that it has changed.
func (ws *watchers) touched(id berth.RequestID) {
	if len(ws.all) == 0 {
		return
	}
	for _, w := range ws.of[""] {
		w.mark(id)
	}
	for _, w := range ws.of[id] {
		w.mark(id)
	}
}

// end tells all of them that the store's history is over.
func (ws *watchers) end() {
	for _, w := range ws.all {
		close(w.over)
	}
}

func (w *watcher) mark(id berth.RequestID) {
	w.mu.Lock()
	w.dirty[id] = struct{}{}
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

func (w *watcher) take() []berth.RequestID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]berth.RequestID, 0, len(w.dirty))
	for id := range w.dirty {
		ids = append(ids, id)
	}
	clear(w.dirty)
	slices.Sort(ids)
	return ids
}

// touched tells the watchers that a request has changed.
func (l *loop) touched(id berth.RequestID) { l.watchers.touched(id) }
