package scheduler

import (
	"fmt"
	"slices"
)

// checkLinks says what is wrong with who is known to be of which link domain, and with
// what is free there.
func (p *pool) checkLinks() error {
	n := 0
	for _, w := range p.nodes {
		fresh := newNode(w.worker, w.kept)
		if !slices.Equal(w.linked, fresh.linked) || !slices.Equal(w.freeIn, fresh.freeIn) || !slices.Equal(w.devices, fresh.devices) {
			return fmt.Errorf("%s is linked by %v with %v free, by force by %v with %v", w.worker.ID, w.linked, w.freeIn, fresh.linked, fresh.freeIn)
		}
		for _, link := range w.linked {
			if !slices.Contains(p.links[link], w) {
				return fmt.Errorf("%s is not under link domain %s", w.worker.ID, link)
			}
			n++
		}
	}
	for _, of := range p.links {
		n -= len(of)
	}
	if n != 0 {
		return fmt.Errorf("%d workers too few under link domains", n)
	}
	return nil
}
