package daemon

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// What was made due is looked at, whatever becomes of its records meanwhile; and nothing
// is looked at more often than it was made due.
func TestDueKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := newView()
		d := newDueKeys(v)
		latest := berth.Revision(10)
		due := make(map[berth.Key]int) // how often it was made so, since there was nothing left
		waits := make(map[berth.Key]bool)
		add := func(x *life, k berth.Key) {
			d.addOf(x, k)
			due[k]++
			waits[k] = true
		}
		t.Repeat(map[string]func(*rapid.T){
			"tell": func(t *rapid.T) {
				f := drawFact(t)
				latest++
				f.Mod = latest
				old, changed := v.apply(&f)
				switch {
				case !changed:
				case f.Key.Kind == berth.KindRequest || f.Key.Kind == berth.KindState:
					add(old.life, requestKey(berth.RequestID(f.Key.ID)))
				default:
					add(old.life, f.Key)
				}
			},
			"pass": func(*rapid.T) { v.passed(latest) },
			"add": func(t *rapid.T) {
				k := drawFact(t).Key
				add(v.lifeAt(k), k)
			},
			"pop": func(t *rapid.T) {
				k, ok := d.pop()
				if !ok && len(waits) > 0 {
					t.Fatalf("%v wait, and nothing is due", waits)
				}
				if !ok {
					clear(due)
					return
				}
				if due[k]--; due[k] < 0 {
					t.Fatalf("%v is due more often than it was made so", k)
				}
				delete(waits, k)
			},
			"": func(t *rapid.T) {
				allocations := 0
				for _, k := range d.order {
					if k.key.Kind == berth.KindAllocation {
						allocations++
					}
				}
				if d.allocations != allocations {
					t.Fatalf("%d allocations are due, %d are counted", allocations, d.allocations)
				}
			},
		})
		for k, ok := d.pop(); ok; k, ok = d.pop() {
			delete(waits, k)
		}
		if len(waits) > 0 {
			t.Fatalf("never looked at: %v", waits)
		}
	})
}
