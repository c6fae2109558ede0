package sim

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// As the daemon has them: how often what is kept is chosen again, how much more rarely for each
// machine; how long nothing is kept where that kept off who goes first, nor for a group for which
// nothing could be; and how many groups are looked at.
const (
	keepEvery  = 1000
	machinesMS = 5 // so many are a millisecond
	keptOffFor = 10_000
	keptAsks   = 1024 // machines, for those who wait for others to make room
	keepTries  = 8
)

// keepState is what is kept for a group that waits. What is to be kept is the scheduler's choice,
// and when it is asked the daemon's: but not each second. Within a round what is kept stays so, so
// there it is asked when something has changed on the machines that are kept.
type keepState struct {
	by      keeper // nil: the policy keeps nothing
	rec     *berth.Keep
	on      map[int]bool // the machines
	touched bool         // something has come or gone there since it was chosen
	group   int          // for which it is; -1: nothing is kept
	chosen  int64        // when
	made    bool         // others were told to make that room
	next    int64        // nothing is chosen before
	without int64        // nothing is kept before: it kept off who goes first
	gave    int          // for which something was then
	served  bool         // the last that had what was kept for it had its places by that: who is as important and older goes before the next
	at      int64        // when is looked next, whatever happens; 0: not
	news    bool         // something has happened since the last look
	idle    bool         // nothing had, and that one changed nothing

	off     map[int]bool   // kinds of jobs that what is kept keeps off
	running map[int][]stay // by machines, of what ran from the beginning
}

// stay is a Running that runs.
type stay struct {
	*held
	has berth.Share
}

// before is when the next thing happens, where something else does at a time; dead: where nothing
// else does, ever. Then a round is waited for once more, for what is kept may keep off who waits.
func (k *keepState) before(at int64, dead bool) int64 {
	if k.at == 0 || dead && (k.rec == nil || k.idle) {
		return at
	}
	return min(at, k.at)
}

// tick tells the policy what time it is.
func (k *keepState) tick(r *replay) {
	if k.by != nil {
		k.by.clock(r.clock())
	}
}

// touch notes that something has come to a machine, or has gone.
func (k *keepState) touch(machine int) { k.touched = k.touched || k.on[machine] }

// began notes what runs from the beginning.
func (k *keepState) began(h *held) {
	if k.by == nil {
		return
	}
	if k.running == nil {
		k.running = make(map[int][]stay)
	}
	k.running[h.machine] = append(k.running[h.machine], stay{h, h.share()})
}

// ended notes that such a one has ended.
func (k *keepState) ended(h *held) {
	if k.by == nil {
		return
	}
	k.running[h.machine] = slices.DeleteFunc(k.running[h.machine], func(s stay) bool { return s.held == h })
}

// clock is the time as the scheduler has it.
func (r *replay) clock() int64 { return r.now - r.jobs[0].ArrivalMS + 1 }

// lookKeep finds what is to be kept now, and tries what waits again where less is.
func (r *replay) lookKeep(news bool) error {
	k := &r.gangs.keep
	if k.by == nil {
		return nil
	}
	k.news = k.news || news
	k.idle = !k.news
	if !r.reviewKeep() {
		return nil
	}
	wait, rec := r.turns.count, k.rec
	if err := r.place(nil, true); err != nil {
		return err
	}
	if r.turns.count != wait || k.rec != rec {
		k.news, k.idle = true, false
		if k.at == 0 || k.next < k.at {
			k.at = k.next
		}
	}
	return nil
}

// reviewKeep says whether something is kept no more that was.
func (r *replay) reviewKeep() (gave bool) {
	b := r.gangs
	k := &b.keep
	k.at = 0
	if k.rec != nil && !b.fates[k.group].whole {
		gave = r.keepNothing()
	}
	if b.waiting == 0 {
		k.served = k.served && r.turns.count > 0
		return gave
	}
	if r.now < k.next {
		k.at = k.next
		return gave
	}
	news := k.news
	k.news, k.next = false, r.nextKeep()
	if made, replaced := r.makeGroupRoom(); made {
		gave = gave || replaced
	} else if k.rec != nil {
		gave = r.keepOn() || gave
	} else if again := r.keepFirst(r.firstGangs(func(one *turn) []int { return one.whole })); news {
		k.at = again
	}
	r.timeRound()
	return gave
}

// nextKeep is before when nothing is chosen again.
func (r *replay) nextKeep() int64 {
	return r.now + keepEvery + int64(len(r.cluster.machines))/machinesMS
}

// timeRound has what is kept looked at when its round is over.
func (r *replay) timeRound() {
	if k := &r.gangs.keep; k.rec != nil {
		since := r.gangs.fates[k.group].keptSince
		k.at = since + scheduler.RoundEnds(r.now-since)
	}
}

// keepFirst keeps something for the first of groups for which something can
// be kept; or it says when that may be, which it is not now; 0: it does not know.
func (r *replay) keepFirst(of []int) (again int64) {
	k := &r.gangs.keep
	if r.now < k.without {
		r.lookWhoHasLess(k.gave)
		return k.without
	}
	for _, g := range of {
		f := &r.gangs.fates[g]
		if next, chosen := r.choosable(g); next != nil {
			r.keepFor(g, next, chosen)
			return 0
		}
		if again == 0 || f.unkept < again {
			again = f.unkept
		}
	}
	return again
}

// choosable is what could be kept for a group for which nothing is; nil: nothing, and for a while it is not asked for again.
func (r *replay) choosable(g int) (next *berth.Keep, chosen int64) {
	f := &r.gangs.fates[g]
	if r.now < f.unkept {
		return nil, 0
	}
	if next, chosen = r.chooseKept(g); next == nil {
		f.unkept = r.now + keptOffFor
	}
	return next, chosen
}

// couldKeepFor says whether something could be kept for a group in place of what is kept for another.
func (r *replay) couldKeepFor(g int) bool {
	next, _ := r.choosable(g)
	return next != nil
}

// firstGangs are the first of the groups that tenants have in some lines, in the order of their turns: of those that room
// could help.
func (r *replay) firstGangs(line func(*turn) []int) (firsts []int) {
	for _, one := range r.turns.order {
		n := 0
		for _, unit := range line(one) {
			if !r.hopeless(^unit) {
				firsts = append(firsts, ^unit)
				n++
			}
			if n == keepTries {
				break
			}
		}
	}
	turn := func(g int) scheduler.Turn {
		return r.turns.shares.Turn(berth.TenantID(r.first(g).Tenant), pool)
	}
	slices.SortStableFunc(firsts, func(a, b int) int {
		return cmp.Or(turn(a).Compare(turn(b)), cmp.Compare(r.first(b).Priority, r.first(a).Priority), cmp.Compare(a, b))
	})
	return firsts[:min(len(firsts), keepTries)]
}

// first is the first job of a group.
func (r *replay) first(g int) *Job { return &r.jobs[r.groups[g].first] }

// hopeless says whether nothing that is kept for a group would help it: it is over its tenant's
// limit, or never fits.
func (r *replay) hopeless(g int) bool {
	f := &r.gangs.fates[g]
	count := r.allowed(f.members[0], len(f.members))
	return count < r.needs(g) || r.classOf(g, count).never()
}

// keepOn chooses again what is kept, or keeps nothing any more.
func (r *replay) keepOn() (gave bool) {
	k := &r.gangs.keep
	if r.roomComes() {
		return false
	}
	r.lookWhoHasLess(k.group)
	if r.wentBefore(k.group) {
		gave = r.giveUpKept(keptOffFor)
		k.at = k.without
		return gave
	}
	hopeless := r.hopeless(k.group)
	if !hopeless && !k.touched && !r.anew(k.group) {
		return false
	}
	next, chosen := (*berth.Keep)(nil), int64(0)
	if !hopeless {
		if next, chosen = r.chooseKept(k.group); next == nil {
			r.gangs.fates[k.group].unkept = r.now + keptOffFor
		}
	}
	if next == nil {
		return r.keepNothing()
	}
	k.touched = false
	k.chosen = chosen
	if next.By.Equal(k.rec.By) && slices.EqualFunc(next.Workers, k.rec.Workers, sameKept) {
		return false
	}
	r.keepFor(k.group, next, chosen)
	return true
}

// wentBefore says whether what is kept for a group keeps off who goes before, or those who would make room
// for it: one of a tenant with less, or of its own with a higher priority.
func (r *replay) wentBefore(g int) bool {
	of := r.first(g)
	own := r.turns.shares.Turn(berth.TenantID(of.Tenant), pool).Share
	asks, vain := keptAsks, make(map[[2]int64]bool)
	return slices.ContainsFunc(r.turns.order, func(one *turn) bool {
		same := string(one.id) == of.Tenant
		if !same && r.turns.shares.Turn(one.id, pool).Share >= own {
			return false
		}
		before := func(j *Job) bool {
			if same {
				return j.Priority > of.Priority
			}
			return r.lets(g, j)
		}
		return slices.ContainsFunc(one.waiting, func(j int) bool {
			return before(&r.jobs[j]) && !r.over(j) && (r.gangs.keep.off[r.kind[j]] || r.keepsRoomOff(j, vain, &asks))
		}) || slices.ContainsFunc(one.whole, func(unit int) bool {
			return ^unit != g && before(r.first(^unit)) && !r.hopeless(^unit) && (same || r.classOf(^unit, r.countOf(^unit)).keptOff) && r.couldKeepFor(^unit)
		})
	})
}

// lookWhoHasLess notes which other tenants have less than that of a group, and would with one more of what waits.
func (r *replay) lookWhoHasLess(g int) {
	o := &r.gangs.fates[g].overtaken
	if !o.Ever() {
		return
	}
	of := r.first(g).Tenant
	own := r.turns.shares.Turn(berth.TenantID(of), pool).Share
	less := make(map[berth.TenantID]bool)
	for _, one := range r.turns.order {
		with := func(j int) bool { return r.turns.shares.With(one.id, pool, r.shapes[r.of[j]].bulk()) < own }
		if string(one.id) != of && (slices.ContainsFunc(one.waiting, func(j int) bool { return !r.over(j) && with(j) }) ||
			slices.ContainsFunc(one.whole, func(unit int) bool { return !r.hopeless(^unit) && with(r.jobIn(unit)) })) {
			less[one.id] = true
		}
	}
	o.Look(less, r.now)
}

// keepsRoomOff says whether others could make room for a job on a machine that is kept for a group; vain are the kinds, by
// priority, for which that is known not to be so.
func (r *replay) keepsRoomOff(j int, vain map[[2]int64]bool, asks *int) bool {
	like := [2]int64{int64(r.kind[j]), r.jobs[j].Priority}
	if !r.preempts(j) || vain[like] {
		return false
	}
	for i := range r.gangs.keep.rec.Workers {
		if *asks--; *asks < 0 {
			return false
		}
		on := string(r.gangs.keep.rec.Workers[i].Worker)
		if r.evictions.by.keepsRoomOff(r.kind[j], int32(r.jobs[j].Priority), on, r.occupants) { //nolint:gosec // at most berth.MaxPriority
			return true
		}
	}
	vain[like] = true
	return false
}

// countOf is how many jobs of a group its tenant's limit has room for.
func (r *replay) countOf(g int) int {
	f := &r.gangs.fates[g]
	return r.allowed(f.members[0], len(f.members))
}
