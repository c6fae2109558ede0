package scheduler_test

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// sharer is a tenant with tasks of one kind, in a pool that is one large worker.
type sharer struct {
	id     berth.TenantID
	weight int64
	task   scheduler.Bulk
	tasks  int // that wait
	holds  int
}

func drawSharers(t *rapid.T, least int64) (out []*sharer) {
	for i := range rapid.IntRange(2, 5).Draw(t, "tenants") {
		s := &sharer{id: berth.TenantID(fmt.Sprint("t", i)), weight: rapid.Int64Range(1, 4).Draw(t, "weight"), tasks: rapid.IntRange(0, 40).Draw(t, "tasks")}
		for r := range s.task {
			s.task[r] = rapid.Int64Range(0, 3).Draw(t, "amount")
		}
		s.task[0] = max(s.task[0], least)
		out = append(out, s)
	}
	return out
}

func drawTotal(t *rapid.T, least int64) (total scheduler.Bulk) {
	for r := range total {
		total[r] = rapid.Int64Range(least, 3*least+10).Draw(t, "total")
	}
	return total
}

func within(used, total scheduler.Bulk) bool {
	for r := range used {
		if used[r] > total[r] {
			return false
		}
	}
	return true
}

// next is whose turn it is of those with a task that fits, or nil.
func next(shares *scheduler.Shares, all []*sharer, used, total scheduler.Bulk) *sharer {
	var first *sharer
	for _, s := range all {
		if s.tasks == 0 || !within(used.Plus(s.task, 1), total) {
			continue
		}
		if first == nil || shares.Turn(s.id, "p").Compare(shares.Turn(first.id, "p")) < 0 {
			first = s
		}
	}
	return first
}

func begin(all []*sharer, total scheduler.Bulk) *scheduler.Shares {
	shares := scheduler.NewShares()
	shares.Resize("p", total, 1)
	for _, s := range all {
		shares.SetWeight(s.id, s.weight)
	}
	return shares
}

func take(shares *scheduler.Shares, s *sharer, used scheduler.Bulk) scheduler.Bulk {
	shares.Hold(s.id, "p", s.task, 1)
	shares.Serve(s.id, "p", 0)
	s.tasks--
	s.holds++
	return used.Plus(s.task, 1)
}

// filling is progressive filling as it is defined: each step from nothing but the list of
// who got a task before, in exact numbers.
func filling(all []*sharer, total scheduler.Bulk, before []int) (turn int) {
	turn = -1
	used, held, last := scheduler.Bulk{}, make([]int64, len(all)), make([]int, len(all))
	for i, who := range before {
		used = used.Plus(all[who].task, 1)
		held[who]++
		last[who] = i + 1
	}
	var least *big.Rat
	for i, s := range all {
		if int(held[i]) == s.tasks || !within(used.Plus(s.task, 1), total) {
			continue
		}
		share := new(big.Rat)
		for r := range total {
			if total[r] > 0 {
				if part := big.NewRat(held[i]*s.task[r], total[r]*s.weight); part.Cmp(share) > 0 {
					share = part
				}
			}
		}
		if turn < 0 || cmp.Or(share.Cmp(least), cmp.Compare(last[i], last[turn])) < 0 {
			turn, least = i, share
		}
	}
	return turn
}

// Whose turn it is is what progressive filling says, task after task.
func TestShares_Oracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, total := drawSharers(t, 0), drawTotal(t, 0)
		asked := make([]*sharer, len(all))
		for i, s := range all {
			one := *s
			asked[i] = &one
		}
		shares, used := begin(all, total), scheduler.Bulk{}
		var got []int
		for {
			s := next(shares, all, used, total)
			if want := filling(asked, total, got); s == nil || want != slices.Index(all, s) {
				if s != nil || want >= 0 {
					t.Fatalf("after %v it is the turn of %v, want that of %d", got, s, want)
				}
				return
			}
			got = append(got, slices.Index(all, s))
			used = take(shares, s, used)
		}
	})
}

// level is dominant resource fairness of what can be cut as fine as one likes: the
// dominant shares, divided by weights, rise together, and each stops with the first
// resource of which its tasks need some and none is left.
func level(all []*sharer, total scheduler.Bulk) []float64 {
	used, held, stopped := [len(scheduler.Bulk{})]float64{}, make([]float64, len(all)), make([]bool, len(all))
	for slices.Contains(stopped, false) {
		step, full := math.Inf(1), -1
		for r := range total {
			rate := 0.0
			for i, s := range all {
				if !stopped[i] {
					rate += float64(s.task[r]) / largest(s.task, total) * float64(s.weight)
				}
			}
			if rate > 0 {
				if d := (float64(total[r]) - used[r]) / rate; d < step {
					step, full = d, r
				}
			}
		}
		for i, s := range all {
			if stopped[i] {
				continue
			}
			held[i] += step * float64(s.weight)
			for r := range total {
				used[r] += float64(s.task[r]) / largest(s.task, total) * float64(s.weight) * step
			}
		}
		for i, s := range all {
			stopped[i] = stopped[i] || s.task[full] > 0
		}
	}
	return held
}

// largest is the dominant share of one task.
func largest(task, total scheduler.Bulk) (share float64) {
	for r := range total {
		share = max(share, float64(task[r])/float64(total[r]))
	}
	return share
}

// With tasks that are small beside the pool, what tenants come to hold is that of tasks
// that can be cut as one likes, but for a few of them.
func TestShares_Converge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, total := drawSharers(t, 1), drawTotal(t, 300)
		step := 0.0
		for _, s := range all {
			s.tasks = 1 << 20
			step = max(step, largest(s.task, total)/float64(s.weight))
		}
		want := level(all, total)
		shares, used := begin(all, total), scheduler.Bulk{}
		for s := next(shares, all, used, total); s != nil; s = next(shares, all, used, total) {
			used = take(shares, s, used)
		}
		for i, s := range all {
			got, _ := shares.Dominant(s.id, "p")
			if off := math.Abs(got - want[i]); off > float64(len(all))*float64(s.weight)*step*4 {
				t.Fatalf("%s of weight %d holds %.4f, want %.4f (a task is up to %.4f)", s.id, s.weight, got, want[i], step)
			}
		}
	})
}

// However unevenly a pool is held, when all of that has ended nobody holds more than one
// task above its part, while others wait; and who holds nothing waits for no more ends
// than there are tenants.
func TestShares_Churn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawSharers(t, 1)
		weights := int64(0)
		for _, s := range all {
			s.task, s.tasks = scheduler.Bulk{1}, 1<<20
			weights += s.weight
		}
		total := scheduler.Bulk{rapid.Int64Range(1, 30).Draw(t, "slots")}
		shares, used := begin(all, total), scheduler.Bulk{}
		var running []*sharer
		hog := rapid.SampledFrom(all).Draw(t, "hog")
		for range total[0] {
			used = take(shares, hog, used)
			running = append(running, hog)
		}
		hungry := make(map[*sharer]int) // ends while it held nothing
		for end := range 3 * total[0] {
			at := 0 // in the first round, the oldest; then, any
			if end >= total[0] {
				at = rapid.IntRange(0, len(running)-1).Draw(t, "ends")
			}
			over := running[at]
			running = slices.Delete(running, at, at+1)
			shares.Hold(over.id, "p", over.task, -1)
			over.holds--
			used = used.Plus(over.task, -1)
			s := next(shares, all, used, total)
			used = take(shares, s, used)
			running = append(running, s)
			for _, o := range all {
				if hungry[o]++; o.holds > 0 {
					hungry[o] = 0
				}
				if hungry[o] > len(all) {
					t.Fatalf("%s holds nothing after %d ends", o.id, hungry[o])
				}
			}
			if part := float64(total[0]*s.weight) / float64(weights); end >= total[0] && float64(s.holds) > part+1 {
				t.Fatalf("%s got its task %d, of %.2f that are its part", s.id, s.holds, part)
			}
		}
	})
}

// The order of what comes and goes does not matter, and neither does what is forgotten.
func TestShares_SumsOnly(t *testing.T) {
	s := scheduler.NewShares()
	b := scheduler.BulkOf(&berth.Share{
		Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1, DiskBytes: 3 << 20},
		Devices:    []berth.DeviceShare{{Name: "g0", Milli: 500}, {Name: "g1", Milli: 250}},
	})
	if want := (scheduler.Bulk{1000, 1, 3, 750}); b != want {
		t.Fatalf("%v, want %v", b, want)
	}
	s.Hold("a", "p", b, 1) // before there are workers
	if share, of := s.Dominant("a", "p"); share != 0 || of != "" {
		t.Errorf("%v of %s in a pool without workers", share, of)
	}
	s.Resize("p", scheduler.BulkOfCapacity(&berth.Capacity{
		Quantities: berth.Quantities{CPUMilli: 10_000}, Devices: make([]berth.Device, 3),
	}), 1)
	if share, of := s.Dominant("a", "p"); share != 0.25 || of != berth.ReasonDevices {
		t.Errorf("%v of %s, want a quarter of the devices", share, of)
	}
	s.SetWeight("a", 2)
	if turn := s.Turn("a", "p"); turn.Share != 0.125 || s.Weight("a") != 2 || s.Weight("b") != 1 {
		t.Errorf("%+v", turn)
	}
	for i := range 20_000 {
		s.Serve(berth.TenantID(fmt.Sprint(i)), "p", 0)
	}
	known := 0
	s.Tenants("p", func(berth.TenantID) { known++ })
	if known > 10_000 {
		t.Errorf("%d tenants that hold nothing are known", known)
	}
	if s.Turn("19999", "p").Served == 0 || s.Turn("0", "p").Served != 0 {
		t.Error("not those are forgotten that were served longest ago")
	}
	if share, _ := s.Dominant("a", "p"); share != 0.25 {
		t.Error("what holds something is forgotten")
	}
}

// What is handed out in turns is what the oracle's turns are, of each tenant in its order.
func TestTurns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, total := drawSharers(t, 0), drawTotal(t, 1)
		shares := begin(all, total)
		turns := scheduler.NewTurns[*sharer](shares)
		left := 0
		for _, s := range all {
			turns.Add(s.id, "p", slices.Repeat([]*sharer{s}, s.tasks))
			left += s.tasks
		}
		var before *sharer
		for s, ok := turns.Next(); ok; s, ok = turns.Next() {
			for i, o := range all {
				c := shares.Turn(o.id, "p").Compare(shares.Turn(s.id, "p"))
				if o.tasks > 0 && (c < 0 || c == 0 && i < slices.Index(all, s)) {
					t.Fatalf("the turn of %s came before that of %s", s.id, o.id)
				}
			}
			left--
			s.tasks--
			if rapid.Bool().Draw(t, "fits") {
				shares.Hold(s.id, "p", s.task, 1)
				shares.Serve(s.id, "p", 0)
			}
			before = s
		}
		if left != 0 {
			t.Fatalf("%d were not handed out; the last was of %v", left, before)
		}
	})
}

// Who was served when is counted in times, and each later than all before, whatever a clock says; what is told of before in any order.
func TestShares_ServedAt(t *testing.T) {
	s := scheduler.NewShares()
	s.ServedAt("b", "p", 200)
	s.ServedAt("a", "p", 300)
	s.ServedAt("b", "p", 100)
	s.Serve("c", "p", 250) // by a clock that is behind
	s.Serve("d", "p", 1000)
	s.Serve("b", "q", 0)
	s.Serve("e", "p", 1001)
	s.ServedAt("f", "p", 0) // nobody knows when
	got := make(map[string]int64)
	s.Served(func(t berth.TenantID, p berth.PoolID, at int64) { got[string(t)+string(p)] = at })
	want := map[string]int64{"bp": 200, "ap": 300, "cp": 301, "dp": 1000, "bq": 1001, "ep": 1002}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
