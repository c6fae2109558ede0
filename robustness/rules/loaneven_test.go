package rules

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
)

// Tenants whose small requests follow each other without a break, and all wait long, borrow what another has idle. However much the
// first had borrowed before the others came, they come to hold as much as each other: each is placed by an end of its own
// tenant's meanwhile, and another is the first that waits then. What goes back for one is taken of who has more, not of another that has little.
func TestLoan_StreamsBecomeEven(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		for _, tenants := range []int{2, 3} {
			for _, own := range []int64{0, 100} {
				t.Run(fmt.Sprintf("%d daemons, %d tenants with %d", daemons, tenants, own), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(daemons)
						all := []*smallOnes{r.smallOnes(ds, 100)}
						for range tenants - 1 {
							all = append(all, &smallOnes{rig: r, ds: ds, each: 100})
						}
						r.guarantee(ds[0], "a", 600, 600)
						for i, c := range all {
							c.of = berth.TenantID(fmt.Sprint("c", i))
							r.guarantee(ds[0], c.of, 600, own)
						}
						s := r.streams(all[0], all[1:]...)
						for _, c := range all {
							c.more(20)
						}
						s.until(50, func() bool { return false })
						held, seconds := make([]int, tenants), 100
						s.until(seconds, func() bool {
							for i, c := range all {
								held[i] += c.holds()
							}
							return false
						})
						for i, n := range held { // of several daemons each has its own that waits for long, and so a turn now and then
							if even := 600/100/tenants + int(own)/100; n < (even-1)*seconds || n > (even+1)*seconds {
								t.Errorf("%s holds %.2f of them on average, an even part is %d: %s", all[i].of, float64(n)/float64(seconds), even, r.record(all[i].of))
							}
						}
						all[0].stop()
						stop()
						checked()
					})
				})
			}
		}
	}
}
