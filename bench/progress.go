package bench

import (
	"sync"
	"time"
)

// Progress says how far a measurement is. It is safe for concurrent use; the zero
// Progress is ready.
type Progress struct {
	mu    sync.Mutex // guards all below
	what  string
	done  int
	of    int
	began time.Time
}

// State of a measurement at a moment.
type State struct {
	What  string // empty: nothing is measured
	Done  int
	Of    int
	Since time.Duration
}

// begin names what is measured now; the function it returns tells how many more are done.
func (p *Progress) begin(what string, of int) func(int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.done, p.of, p.began = what, 0, of, time.Now()
	return func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.done == 0 {
			p.began = time.Now() // a store was opened before: that is no part of the rate
		}
		p.done += n
	}
}

// State is how far it is.
func (p *Progress) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{What: p.what, Done: p.done, Of: p.of}
	if p.what != "" {
		s.Since = time.Since(p.began)
	}
	return s
}
