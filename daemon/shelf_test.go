package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// shelfStage is an account with limits, and what waits for it.
type shelfStage struct {
	*stage
	of account
}

var shelfTypes = []string{"a", "b", "c"}

// Whatever waits, and however the quota stands: a look finds the very class that judging all of
// them would.
func TestShelf_FindsWhatAScanWould(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &shelfStage{newStage(t, bigWorker), account{"t", "default"}}
		s.drawQuota(rt)
		for i := range rapid.IntRange(0, 12).Draw(rt, "requests") {
			s.drawWaiting(rt, i)
		}
		for i := range rapid.IntRange(0, 6).Draw(rt, "groups") {
			s.drawGroup(rt, i)
		}
		s.compare(rt)
		for _, id := range rapid.SliceOfN(rapid.IntRange(0, 11), 0, 6).Draw(rt, "gone") {
			s.queue.remove(berth.RequestID(fmt.Sprint("r", id)))
			s.gangs.remove(berth.GroupID(fmt.Sprint("g", id)))
		}
		s.drawQuota(rt)
		s.compare(rt)
	})
}

// A group that waits for room for all of its members, and goes before all that other daemons have waiting, is not bound to an even part: where
// all that it lacks can be taken, it is not tried for fewer; where it is not, and less is there, it is.
func TestShelf_WokenForFewer(t *testing.T) {
	for _, tt := range []struct {
		limit int64
		want  bool
	}{{12, false}, {11, true}} {
		s := &shelfStage{newStage(t, bigWorker), account{"t", "default"}}
		own := berth.Block{Block: berth.Amounts{berth.DimensionCPU: 8}}
		s.tellQuota(s.of.tenant, berth.Quota{Limits: berth.Amounts{berth.DimensionCPU: tt.limit}, Taken: own.Block, Blocks: 1, Short: []berth.DaemonID{"other"}})
		s.tellBlock(s.of.tenant, "daemon", own)
		r := &berth.Request{ID: "g", Tenant: s.of.tenant, Pool: s.of.pool}
		r.Resources.CPUMilli = 4
		g := &gang{id: "g", pool: r.Pool, request: r, size: 3, like: "g", seq: 1, priority: 1, need: 1}
		s.gangs.put(g)
		s.gangs.blockOver(g, overQuota(), s.now(), 3, nil)
		b := s.balance(s.of, s.quotas.of[s.of], nil)
		if s.wakeForFewer(s.of, &b); g.open() != tt.want {
			t.Errorf("of %d, %d of them idle here: woken: %t, want %t", tt.limit, own.Block[berth.DimensionCPU], g.open(), tt.want)
		}
	}
}

// Groups that wait for their quota stand in the order of the firsts of their classes, whoever
// comes and goes.
func TestShelf_GroupsComeAndGo(t *testing.T) {
	s := newGangs()
	wait := func(id string, seq berth.Revision, like string) *gang {
		g := gangAsking(id, seq, like)
		s.put(g)
		return g
	}
	want := func(ids ...berth.GroupID) {
		t.Helper()
		var got []berth.GroupID
		s.over.first(accountOf(s.of["b"].request), anything(), func(c *gangClass) bool {
			got = append(got, c.members[0].id)
			return false
		})
		if !slices.Equal(got, ids) {
			t.Errorf("%v wait, want %v", got, ids)
		}
	}
	for i, id := range []string{"b", "c", "d"} {
		s.blockOver(wait(id, berth.Revision(10+i), "like "+id), overQuota(), time.Unix(1000, 0), 2, nil)
	}
	want("b", "c", "d")
	wait("e", 1, "like d")
	want("e", "b", "c")
	wait("f", 2, "like c")
	want("e", "f", "b")
	s.remove("e")
	want("f", "b", "d")
	s.block(s.of["f"], &berth.Verdict{}, time.Unix(1000, 0)) // and not for their quota any more
	want("b", "d")
	s.remove("d")
	want("b")
}

// drawQuota tells of the limits, and of what two daemons have taken and use.
func (s *shelfStage) drawQuota(t *rapid.T) {
	amounts := func(name string, most int64) berth.Amounts {
		a := make(berth.Amounts)
		for _, d := range []berth.Dimension{berth.DimensionCPU, berth.DimensionMemory, berth.CustomDimension("x"), berth.DeviceDimension("a"), berth.DeviceDimension("b")} {
			if rapid.IntRange(0, 2).Draw(t, name+" "+string(d)+" is named") > 0 {
				a[d] = rapid.Int64Range(0, most).Draw(t, name+" "+string(d))
			}
		}
		return a
	}
	q := berth.Quota{Limits: amounts("limit", 12), Blocks: 2}
	if len(q.Limits) == 0 {
		q.Limits[berth.DimensionCPU] = 6
	}
	own, other := berth.Block{Block: amounts("own", 6)}, berth.Block{Block: amounts("other", 6)}
	if rapid.IntRange(0, 3).Draw(t, "set anew") > 0 {
		own.Block = limitedOf(own.Block, q.Limits)
	}
	own.Used = make(berth.Amounts)
	for d, v := range own.Block {
		if used := rapid.Int64Range(0, v).Draw(t, "used "+string(d)); used > 0 {
			own.Used[d] = used
		}
	}
	q.Taken, _ = own.Block.Plus(other.Block)
	if rapid.IntRange(0, 2).Draw(t, "others wait") == 0 {
		q.Short = []berth.DaemonID{"other"}
	}
	q.Gathering = drawGathering(t)
	s.tellQuota(s.of.tenant, q)
	s.tellBlock(s.of.tenant, "daemon", own)
	s.tellBlock(s.of.tenant, "other", other)
}

func (s *shelfStage) drawRequest(t *rapid.T, id string) *berth.Request {
	r := &berth.Request{ID: berth.RequestID(id), Tenant: s.of.tenant, Pool: s.of.pool}
	r.Resources.CPUMilli = rapid.Int64Range(0, 6).Draw(t, "cpu")
	r.Resources.MemoryBytes = rapid.Int64Range(0, 3).Draw(t, "memory")
	for _, name := range rapid.SampledFrom([][]string{nil, nil, {"x"}, {"x", "y"}, {"u", "v", "w", "x", "y"}}).Draw(t, "custom") {
		if r.Resources.Custom == nil {
			r.Resources.Custom = make(map[string]int64)
		}
		r.Resources.Custom[name] = rapid.Int64Range(1, 4).Draw(t, name)
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "devices") {
		r.Resources.Devices = append(r.Resources.Devices, berth.DeviceDemand{
			Types: rapid.SliceOfNDistinct(rapid.SampledFrom(shelfTypes), 0, 2, rapid.ID).Draw(t, "types"),
			Count: rapid.Int64Range(1, 2).Draw(t, "count"), Milli: rapid.Int64Range(1, 3).Draw(t, "milli"),
		})
	}
	return r
}

// drawExtra is what a request would have got, with devices of one of the types of a demand.
func drawExtra(t *rapid.T, r *berth.Request, times int64) berth.Amounts {
	if len(r.Resources.Devices) == 0 || rapid.IntRange(0, 2).Draw(t, "has extra") > 0 {
		return nil
	}
	of := rapid.SampledFrom(r.Resources.Devices).Draw(t, "extra of")
	kinds := of.Types
	if len(kinds) == 0 {
		kinds = shelfTypes
	}
	a := berth.AmountsOfDemand(&r.Resources.Quantities)
	for d := range a {
		a[d] *= times
	}
	a[berth.DeviceDimension(rapid.SampledFrom(kinds).Draw(t, "extra type"))] = times * of.Count * of.Milli
	return a
}

func (s *shelfStage) drawWaiting(t *rapid.T, i int) {
	r := s.drawRequest(t, fmt.Sprint("r", i))
	w := &waiting{id: r.ID, request: r, seq: berth.Revision(rapid.IntRange(1, 5).Draw(t, "seq")), priority: int32(rapid.IntRange(0, 2).Draw(t, "priority"))}
	w.extra = drawExtra(t, r, 1)
	if len(r.Resources.Devices) == 0 && rapid.IntRange(0, 3).Draw(t, "has a claim") == 0 {
		s.claim(w)
		w.extra = nil
	}
	s.queue.put(w)
	s.queue.block(w.id, overQuota())
}

// claim has a request's claim counted in the tenant's block.
func (s *shelfStage) claim(w *waiting) {
	s.tell(requestKey(w.id), &berth.Submission{Spec: *w.request})
	s.tell(stateKey(w.id), &berth.Progress{State: berth.StatePending, Attempt: 1, ClaimOn: "w0"})
	now, _ := s.view.ledger("w0")
	next := *now
	next.Claims = append(slices.Clone(now.Claims), berth.Claim{
		Request: w.id, Attempt: 1, Wants: berth.Share{Quantities: w.request.Resources.Quantities},
		Counted: &berth.Counted{Tenant: s.of.tenant, Pool: s.of.pool, Block: "other"},
	})
	slices.SortFunc(next.Claims, func(a, b berth.Claim) int { return slices.Compare([]byte(a.Request), []byte(b.Request)) })
	s.tell(ledgerKey("w0"), &next)
	w.claimOn = "w0"
}

func (s *shelfStage) drawGroup(t *rapid.T, i int) {
	r := s.drawRequest(t, fmt.Sprint("g", i))
	g := &gang{
		id: berth.GroupID(r.ID), pool: r.Pool, request: r, size: 3, like: rapid.SampledFrom([]string{"", "equal"}).Draw(t, "like"),
		seq: berth.Revision(i + 1), priority: int32(rapid.IntRange(0, 2).Draw(t, "priority")), need: rapid.Int64Range(1, 3).Draw(t, "together"),
	}
	if g.like == "" {
		g.like = string(g.id)
	}
	for _, c := range s.gangs.classes {
		if o := c.members[0]; o.like == g.like {
			r.Resources, g.need = o.request.Resources, o.need
		}
	}
	s.gangs.put(g)
	if g.class.over > 0 && rapid.Bool().Draw(t, "waits with an equal one") {
		return
	}
	over := rapid.Int64Range(1, 3).Draw(t, "over")
	s.gangs.blockOver(g, overQuota(), s.now(), over, drawExtra(t, g.request, over))
}

// drawGathering is for what quota is gathered, if for anything: for what waits there, or another daemon plans.
func drawGathering(t *rapid.T) map[berth.DaemonID]berth.Gathering {
	out := make(map[berth.DaemonID]berth.Gathering)
	for _, d := range []berth.DaemonID{"daemon", "other", "gone"} {
		if rapid.IntRange(0, 2).Draw(t, "gathers") > 0 {
			continue
		}
		g := berth.Gathering{
			Priority: rapid.Int32Range(0, 2).Draw(t, "its priority"), Age: berth.Revision(rapid.IntRange(1, 5).Draw(t, "its age")),
			Need: berth.Amounts{berth.DimensionCPU: rapid.Int64Range(1, 12).Draw(t, "its cores")},
		}
		if name := rapid.SampledFrom([]string{"r0", "r1", "g0", "x"}).Draw(t, "for"); name[0] == 'g' {
			g.Group = berth.GroupID(name)
		} else {
			g.Request = berth.RequestID(name)
		}
		out[d] = g
	}
	return out
}

// compare looks as the loop does, and by judging all.
func (s *shelfStage) compare(t *rapid.T) {
	b := s.balance(s.of, s.quotas.of[s.of], nil)
	need, _, _ := s.needOf(s.of, &b)
	if want := s.scanNeed(&b); !need.Equal(want) || (need == nil) != (want == nil) {
		t.Fatalf("%v is needed, want %v", need, want)
	}
	first := s.scan(func(w *waiting) bool { return s.allowsOne(w, &b).verdict == nil })
	groups := slices.DeleteFunc(s.scanGangs(), func(c *gangClass) bool {
		g := c.members[0]
		a, as := s.allowsGang(g, &b), b.of(askedByGroup(g))
		forFewer := len(c.extra) == 0 && c.over > g.need && !as.allFree(a.need)
		return a.verdict != nil && !forFewer
	})
	if first != nil && b.gathers == nil && slices.ContainsFunc(groups, func(c *gangClass) bool {
		g, w := c.members[0], first.members[0]
		before := g.priority > w.priority || g.priority == w.priority && g.seq < w.seq
		return before && s.allowsGang(g, &b).verdict == nil
	}) {
		first = nil // a group comes before it, and has the room
	}
	var over []*class
	for _, c := range s.queue.classes {
		if c.over != nil {
			over = append(over, c)
		}
	}
	s.wakeAllowed(s.of, &b, false)
	var open *class
	for _, c := range over {
		if c.over == nil {
			if open != nil {
				t.Fatalf("%s is woken, and %s", nameOf(open), nameOf(c))
			}
			open = c
		}
	}
	if open != nil {
		s.queue.block(open.members[0].id, overQuota())
	}
	itself := func(c *class) bool { return c != nil && b.turnOf(askedBy(c.members[0])) == itsTurn } // its place may be another by now
	if open != first && !itself(open) && !itself(first) {
		t.Fatalf("the first that there is room for is %v, want %v", nameOf(open), nameOf(first))
	}
	for _, c := range s.scanGangs() {
		if want := slices.Contains(groups, c); c.open() != want {
			t.Fatalf("group %s is woken: %t, want %t", c.members[0].id, c.open(), want)
		}
		c.gained = 0
	}
}

func nameOf(c *class) berth.RequestID {
	if c == nil {
		return "none"
	}
	return c.members[0].id
}

func (s *shelfStage) scan(accept func(*waiting) bool) (first *class) {
	for _, c := range s.queue.classes {
		if c.over != nil && (first == nil || c.members[0].before(first.members[0])) && accept(c.members[0]) {
			first = c
		}
	}
	return first
}

func (s *shelfStage) scanGangs() (out []*gangClass) {
	for _, c := range s.gangs.classes {
		if c.over > 0 {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *gangClass) int { return a.members[0].before(b.members[0]) })
	return out
}

// scanNeed is what needOf is to find.
func (s *shelfStage) scanNeed(b *balance) berth.Amounts {
	for _, free := range []bool{true, false} {
		for _, as := range b.turns() {
			helps := func(a allowance) bool {
				return a.turn == as.turn && len(a.need) > 0 && everFits(a.need, b.state.limits) && (!free && !a.held || free && as.allFree(a.need))
			}
			first := s.scan(func(w *waiting) bool { return helps(s.allowsOne(w, b)) })
			for _, c := range s.scanGangs() {
				g := c.members[0]
				if a := s.allowsGang(g, b); helps(a) && (first == nil || g.priority >= first.members[0].priority) {
					return a.need
				}
			}
			if first != nil {
				return s.allowsOne(first.members[0], b).need
			}
		}
	}
	return nil
}
