package robustness

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"hash/fnv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/berthd/berth"
	"github.com/berthd/berth/invariant"
)

// checker looks at every revision of the store and at every start and end of a
// container.
type checker struct {
	w     *world
	state *invariant.State
	last  int64 // revision that was looked at
	hash  hash.Hash64
	keys  map[string]bool // that are there, without the prefix

	fenced  map[fence]berth.Epoch
	current map[string]int64 // allocation key: its attempt
	running map[berth.RequestID]*container
	ended   map[berth.RequestID]int  // archive records put
	purged  map[berth.RequestID]bool // the last of them is gone: its retention is over
	replays *replays
	found   []Violation
}

type fence struct {
	worker string
	attempt
}

// Violation is what a run must not show.
type Violation struct {
	At    time.Duration
	Of    string // "store", "machine", "client", "progress", "sim"
	Says  string
	About []string // ids of the request and the worker that it concerns
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.At, v.Of, v.Says) }

func newChecker(w *world) *checker {
	opts := invariant.Options{Now: time.Now}
	if w.plan.Retention < time.Hour {
		opts.MinRetention = w.plan.Retention - 25*time.Second // the clocks of two machines differ
	}
	c := &checker{
		w: w, state: invariant.NewState(opts), last: 1, hash: fnv.New64a(), keys: map[string]bool{},
		fenced: map[fence]berth.Epoch{}, current: map[string]int64{},
		running: map[berth.RequestID]*container{}, ended: map[berth.RequestID]int{}, purged: map[berth.RequestID]bool{},
	}
	c.replays = newReplays(c)
	return c
}

func (c *checker) violated() bool { return len(c.found) > 0 }

func (c *checker) fail(of, says string, about ...string) {
	c.found = append(c.found, Violation{At: c.w.now(), Of: of, Says: says, About: about})
}

// revisions takes in what is new in the store, revision by revision.
func (c *checker) revisions() {
	events := c.w.store.Events(c.last)
	for len(events) > 0 {
		rev, n := events[0].Kv.ModRevision, 0
		var step []invariant.Event
		for n < len(events) && events[n].Kv.ModRevision == rev {
			step = append(step, c.event(events[n]))
			c.replays.saw(step[n])
			n++
		}
		events = events[n:]
		c.last = rev
		c.w.tally.Revisions++
		for _, v := range c.state.Step(rev, step) {
			c.fail("store", v.String(), strings.Split(v.Key, "/")...)
		}
	}
	c.replays.run()
}

func (c *checker) event(e *mvccpb.Event) invariant.Event {
	key := strings.TrimPrefix(string(e.Kv.Key), prefix)
	var b [17]byte
	binary.LittleEndian.PutUint64(b[:], uint64(e.Kv.ModRevision))
	binary.LittleEndian.PutUint64(b[8:], uint64(e.Kv.Lease))
	b[16] = byte(e.Type)
	for _, part := range [][]byte{b[:], e.Kv.Key, e.Kv.Value} {
		_, _ = c.hash.Write(part) // never fails
	}
	deleted := e.Type == mvccpb.Event_DELETE
	c.follow(key, e.Kv.Value, deleted)
	return invariant.Event{
		Deleted: deleted,
		Pair:    invariant.Pair{Key: key, Value: e.Kv.Value, Create: e.Kv.CreateRevision, Mod: e.Kv.ModRevision, Lease: e.Kv.Lease},
	}
}

// follow notes what is needed to judge the machines and the client.
func (c *checker) follow(key string, value []byte, deleted bool) {
	parts := strings.Split(key, "/")
	if deleted {
		delete(c.keys, key)
	} else {
		c.keys[key] = true
	}
	switch {
	case parts[0] == "allocations" && len(parts) == 3:
		c.followAllocation(key, parts[1], berth.RequestID(parts[2]), value, deleted)
	case parts[0] == "requests" && len(parts) == 2 && !deleted:
		// Once its record is purged, a submission that comes again is a new request.
		if id := berth.RequestID(parts[1]); c.purged[id] {
			delete(c.purged, id)
			delete(c.ended, id)
		}
	case parts[0] == "keeps" && !deleted && strings.Contains(string(value), `"made_room_at":`):
		c.w.tally.Rooms++
	case parts[0] == "states" && !deleted:
		switch text := string(value); {
		case strings.Contains(text, `"claim_on":`):
			c.w.tally.Claims++
		case strings.Contains(text, `"state":"PENDING"`) && strings.Contains(text, `"last_end":"preempted"`):
			c.w.tally.Preempted++
		case strings.Contains(text, `"state":"PENDING"`) && strings.Contains(text, `"last_end":"reclaimed"`):
			c.w.tally.Reclaimed++
		}
	case parts[0] == "archive" && len(parts) == 2 && deleted:
		c.purged[berth.RequestID(parts[1])] = true
	case parts[0] == "archive" && len(parts) == 2:
		id := berth.RequestID(parts[1])
		c.ended[id]++
		if c.ended[id] > 1 {
			c.fail("store", fmt.Sprintf("request %s has ended %d times", id, c.ended[id]), parts[1])
		}
		if r := c.running[id]; r != nil {
			c.fail("machine", fmt.Sprintf("request %s has ended while attempt %d runs on %s", id, r.key.n, r.m.name), parts[1], r.m.name)
		}
	}
}

func (c *checker) followAllocation(key, worker string, id berth.RequestID, value []byte, deleted bool) {
	if deleted {
		n := c.current[key]
		delete(c.current, key)
		if r := c.running[id]; r != nil && r.m.name == worker && r.key.n == n {
			c.fail("machine", fmt.Sprintf("the allocation of attempt %d of %s on %s was taken back while it runs", n, id, worker), string(id), worker)
		}
		return
	}
	var a struct {
		State   berth.State `json:"state"`
		Attempt int64       `json:"attempt"`
		Epoch   berth.Epoch `json:"epoch"`
	}
	if err := json.Unmarshal(value, &a); err != nil {
		return // the invariants say so
	}
	c.current[key] = a.Attempt
	if a.State == berth.StateStarting {
		c.fenced[fence{worker, attempt{id, a.Attempt}}] = a.Epoch
	}
}

// began: a container runs from now on.
func (c *checker) began(r *container) {
	c.w.tally.Starts++
	c.w.note(r.m.name, fmt.Sprintf("machine: attempt %d of %s runs", r.key.n, r.key.id))
	id := string(r.key.id)
	if other := c.running[r.key.id]; other != nil {
		c.fail("machine", fmt.Sprintf("attempts %d on %s and %d on %s of request %s run at once", other.key.n, other.m.name, r.key.n, r.m.name, id), id, r.m.name, other.m.name)
	}
	c.running[r.key.id] = r
	epoch, ok := c.fenced[fence{r.m.name, r.key}]
	switch {
	case !ok:
		c.fail("machine", fmt.Sprintf("attempt %d of %s runs on %s without its fence", r.key.n, id, r.m.name), id, r.m.name)
	case epoch != r.epoch:
		c.fail("machine", fmt.Sprintf("attempt %d of %s runs on %s in epoch %d, fenced in %d", r.key.n, id, r.m.name, r.epoch, epoch), id, r.m.name)
	case c.ended[r.key.id] > 0:
		c.fail("machine", fmt.Sprintf("attempt %d of %s runs on %s after the request has ended", r.key.n, id, r.m.name), id, r.m.name)
	}
	if at := c.current["allocations/"+r.m.name+"/"+id]; at != r.key.n {
		c.fail("machine", fmt.Sprintf("attempt %d of %s runs on %s, whose allocation is of attempt %d", r.key.n, id, r.m.name, at), id, r.m.name)
	}
}

// over: it runs no more.
func (c *checker) over(r *container) {
	c.w.note(r.m.name, fmt.Sprintf("machine: attempt %d of %s is over: %s", r.key.n, r.key.id, r.exit.Kind))
	if c.running[r.key.id] == r {
		delete(c.running, r.key.id)
	}
	if late := r.m.clock.Now() - r.life.Deadline().Kill; late > 100*time.Millisecond {
		c.fail("machine", fmt.Sprintf("attempt %d of %s ran %s beyond its deadline on %s", r.key.n, r.key.id, late, r.m.name), string(r.key.id), r.m.name)
	}
}

// acknowledged: what the client was told must be in the store.
func (c *checker) acknowledged(j *job) {
	id := string(j.Request.ID)
	if j.Request.Group != nil {
		if !c.keys["groups/"+id] && !c.hasEnded(j) {
			c.fail("client", fmt.Sprintf("group %s was acknowledged, and is not in the store", id), id)
		}
		return
	}
	if !c.keys["requests/"+id] && !c.keys["archive/"+id] && c.ended[j.Request.ID] == 0 {
		c.fail("client", fmt.Sprintf("request %s was acknowledged, and is not in the store", id), id)
	}
}

// hasEnded says whether all that a job is about has ended.
func (c *checker) hasEnded(j *job) bool {
	for _, id := range j.requests() {
		if c.ended[id] == 0 {
			return false
		}
	}
	return true
}

// settled says whether everything has come to its end; why names what has not.
func (c *checker) settled() (why string, about []string) {
	for _, j := range c.w.client.jobs {
		id := string(j.Request.ID)
		switch {
		case !j.acked:
			return "request " + id + " was never acknowledged", []string{id}
		case j.cancelling && !j.cancelAcked:
			return "the cancelling of " + id + " was never acknowledged", []string{id}
		case !c.hasEnded(j):
			return "request " + id + " has not ended", []string{id}
		}
	}
	for key := range c.keys {
		parts := strings.Split(key, "/")
		if parts[0] == "requests" || parts[0] == "states" || parts[0] == "allocations" || parts[0] == "groups" {
			return key + " is left", parts[1:]
		}
	}
	if n := len(c.running); n > 0 {
		return fmt.Sprintf("%d containers run on", n), nil
	}
	if c.w.client.free > 0 {
		return "an operator's wish was never acknowledged", nil
	}
	if why, about := c.quotas(); why != "" {
		return why, about
	}
	return c.ledgers()
}

// ledgers must be empty, by their own word.
func (c *checker) ledgers() (why string, about []string) {
	for _, worker := range c.w.plan.Workers {
		kv := c.w.store.At(prefix + "ledgers/" + worker)
		if kv == nil {
			continue
		}
		var l struct {
			Count    int64           `json:"count"`
			Reserved json.RawMessage `json:"reserved"`
			Held     json.RawMessage `json:"held"`
		}
		if err := json.Unmarshal(kv.Value, &l); err != nil {
			return err.Error(), []string{worker}
		}
		if l.Count != 0 || string(l.Reserved) != "{}" || string(l.Held) != "{}" {
			return fmt.Sprintf("the ledger of %s is not empty: %s", worker, kv.Value), []string{worker}
		}
	}
	return "", nil
}
