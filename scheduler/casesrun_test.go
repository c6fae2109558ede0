package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// run is a case that is played.
type run struct {
	t      *testing.T
	fleet  *scheduler.Fleet
	placed map[berth.RequestID]placedAt
	queued
	waitingGangs
	out strings.Builder
}

type placedAt struct {
	placement
	request *berth.Request
	at      int64 // s
}

// put adds a worker with these settings, or replaces it and keeps what it holds.
func (r *run) put(w scheduler.Worker, settings []string) {
	for _, word := range settings {
		name, value, _ := strings.Cut(word, "=")
		if name == "holds" { // app:web
			label, of, _ := strings.Cut(value, ":")
			r.fleet.Count(w.ID, map[string]string{label: of}, 1)
			continue
		}
		setWorker(r.t, &w, name, value)
	}
	if was := r.fleet.Worker(w.ID); was != nil {
		w.Ledger.Reserved, w.Ledger.Count = was.Ledger.Reserved, was.Ledger.Count
	} else {
		r.resized(&w)
	}
	r.fleet.Put(w)
}

// step plays a line: a request; "gang NAME" with size, need and topology; "end NAME",
// what it holds is free again; "worker NAME", which is as the settings say from now on;
// "wait NAME", a request that waits, "turns", then all that wait are tried, and
// "weight TENANT N"; "clock S" says what time it is, and "keep NAME" chooses what is kept
// for a group that waits.
func (r *run) step(words []string) {
	switch words[0] {
	case "worker":
		r.put(worker(words[1], 0, 0), words[2:])
	case "end":
		r.end(berth.RequestID(words[1]))
	case "gang":
		r.gang(words[1], words[2:])
	case "wait":
		r.waiting = append(r.waiting, r.ask(words[1], words[2:]))
	case "turns":
		r.turns()
	case "clock":
		r.setClock(number(r.t, words[1]))
	case "keep":
		r.keep(words[1], words[2:])
	case "weight":
		r.shares.SetWeight(berth.TenantID(words[1]), number(r.t, words[2]))
	default:
		c := r.ask(words[0], words[1:])
		d := r.fleet.Place(c)
		r.note(c, d)
		if d.Verdict == nil {
			fmt.Fprintf(&r.out, "%s on %s\n", c.Request.ID, shareText(d))
			return
		}
		fmt.Fprintf(&r.out, "%s blocked, never fits: %t\n", c.Request.ID, d.Verdict.NeverFits)
		r.tell(d.Verdict.Reasons)
	}
}

func (r *run) ask(id string, settings []string) scheduler.Candidate {
	c := ask(request(id, 0, 0))
	for _, word := range settings {
		name, value, _ := strings.Cut(word, "=")
		setRequest(r.t, &c, name, value)
	}
	*c.Request = c.Request.Normalize()
	if err := c.Request.Validate(); err != nil {
		r.t.Fatalf("no case shows what is refused: %v", err)
	}
	return c
}

// note counts what was placed, as the daemon does.
func (r *run) note(c scheduler.Candidate, d scheduler.Decision) {
	if d.Verdict == nil {
		r.fleet.Count(d.Worker, c.Request.Labels, 1)
		r.placed[c.Request.ID] = placedAt{placement{d.Worker, d.Share}, c.Request, r.clock}
		r.hold(c.Request, &d.Share, 1)
	}
}

func (r *run) end(id berth.RequestID) {
	p, ok := r.placed[id]
	if !ok {
		r.t.Fatalf("end %s: it is not placed", id)
	}
	delete(r.placed, id)
	w := *r.fleet.Worker(p.worker)
	var err error
	if w.Ledger, err = w.Ledger.Release(p.share); err != nil {
		r.t.Fatalf("end %s: %v", id, err)
	}
	r.fleet.Put(w)
	r.fleet.Count(p.worker, p.request.Labels, -1)
	r.hold(p.request, &p.share, -1)
}

func (r *run) gang(name string, settings []string) {
	var g scheduler.Gang
	size, rest := 0, settings[:0:0]
	for _, word := range settings {
		setting, value, _ := strings.Cut(word, "=")
		switch setting {
		case "size":
			size = int(number(r.t, value))
			g.Need = size
		case "need":
			g.Need = int(number(r.t, value))
		case "topology":
			g.Topology = value
		case "linked":
			g.Linked = true
		default:
			rest = append(rest, word)
		}
	}
	for i := range size {
		g.Members = append(g.Members, r.ask(fmt.Sprintf("%s.%d", name, i), rest))
	}
	r.asked(name, g)
	d := r.fleet.PlaceGang(g)
	for i, one := range d.Placed {
		r.note(g.Members[i], one)
	}
	if d.Verdict != nil {
		fmt.Fprintf(&r.out, "%s blocked, never fits: %t\n", name, d.Verdict.NeverFits)
		r.tell(d.Verdict.Reasons)
		return
	}
	fmt.Fprintf(&r.out, "%s placed, %d of %d", name, len(d.Placed), size)
	if g.Topology != "" {
		fmt.Fprintf(&r.out, ", in %s %s", g.Topology, d.Domain)
	}
	if g.Linked {
		fmt.Fprintf(&r.out, ", in link domain %s", d.Link)
	}
	fmt.Fprintln(&r.out)
	for i, one := range d.Placed {
		fmt.Fprintf(&r.out, "  %s on %s\n", g.Members[i].Request.ID, shareText(one))
	}
}

func (r *run) tell(reasons []berth.Reason) {
	for _, why := range reasons {
		fmt.Fprintf(&r.out, "  %s", why)
		if len(why.Some) > 0 {
			fmt.Fprintf(&r.out, " %v", why.Some)
		}
		fmt.Fprintln(&r.out)
	}
}

// shareText is the worker of a decision, and what of it is told by number or name.
func shareText(d scheduler.Decision) string {
	text := string(d.Worker)
	if len(d.Share.Ports) > 0 {
		text += fmt.Sprintf(" ports %v", d.Share.Ports)
	}
	for _, dev := range d.Share.Devices {
		text += fmt.Sprintf(" %s:%d", dev.Name, dev.Milli)
	}
	return text
}
