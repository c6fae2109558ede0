package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What becomes idle is lent to who has waited for longest of those that one daemon plans, whatever the tenants' names are.
func TestLoan_FirstByItsTurn(t *testing.T) {
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				d, stop := r.daemon()
				defer stop()
				r.guarantee(d, "a", 300, 0)
				r.guarantee(d, "b", 300, 0)
				r.guarantee(d, "c", 100, 100)
				r.run(d, "c0", of("c"))
				r.passes(time.Second)
				for _, who := range order {
					r.run(d, who+"0", of(berth.TenantID(who)))
					r.passes(5 * time.Second)
				}
				r.ends("w", "c0")
				r.passes(5 * time.Second)
				if first, second := order[0]+"0", order[1]+"0"; r.located(first) != 1 || r.located(second) != 0 {
					t.Errorf("%s placed: %d, %s placed: %d", first, r.located(first), second, r.located(second))
				}
			})
		})
	}
}
