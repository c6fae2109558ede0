package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/berthd/berth/bench"
)

// liveLine tells people how far a measurement is: on a terminal by a line that is
// written over, elsewhere by whole lines alone.
type liveLine struct {
	progress *bench.Progress
	terminal bool
	stop     chan struct{} // closed by end
	over     chan struct{} // closed when the line is gone

	mu sync.Mutex // guards out
	w  io.Writer
}

const liveEvery = 200 * time.Millisecond

// eraseLine returns to a line's beginning, and erases it.
const eraseLine = "\r\x1b[K"

func newLiveLine(w io.Writer, p *bench.Progress) *liveLine {
	return &liveLine{progress: p, terminal: isTerminal(w), w: asIs(w), stop: make(chan struct{}), over: make(chan struct{})}
}

// start shows the line until end.
func (l *liveLine) start() {
	go func() {
		defer close(l.over)
		if !l.terminal {
			return
		}
		tick := time.NewTicker(liveEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.write(eraseLine + progressText(l.progress.State()))
			case <-l.stop:
				l.write(eraseLine)
				return
			}
		}
	}()
}

func (l *liveLine) end() {
	close(l.stop)
	<-l.over
}

// say writes a whole line, which stays.
func (l *liveLine) say(format string, args ...any) {
	text := "berth: " + shown(fmt.Sprintf(format, args...), true) + "\n"
	if l.terminal {
		text = eraseLine + text
	}
	l.write(text)
}

func (l *liveLine) write(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprint(l.w, text)
}
