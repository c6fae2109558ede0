package robustness

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth/worker"
)

// onMachines is a checker with two machines on which nothing runs.
func onMachines(seed uint64) (c *checker, w1, w2 *machine) {
	w := worldOf(Draw(seed))
	return w.check, newMachine(w, "w1"), newMachine(w, "w2")
}

func TestChecker_SeesWhatRuns(t *testing.T) {
	fenced := func(c *checker, w string) {
		c.follow("allocations/"+w+"/r", []byte(`{"state":"STARTING","attempt":1,"epoch":5}`), false)
	}
	spec := worker.Spec{Request: "r", Attempt: 1, Epoch: 5, Deadline: worker.Deadline{Kill: 2 * time.Hour}}
	tests := []struct {
		name string
		do   func(c *checker, w1, w2 *machine)
		want string // "": nothing wrong
	}{
		{name: "one that is fenced", do: func(c *checker, w1, _ *machine) {
			fenced(c, "w1")
			c.began(newContainer(w1, spec))
		}},
		{name: "without its fence", want: "without its fence", do: func(c *checker, w1, _ *machine) {
			c.began(newContainer(w1, spec))
		}},
		{name: "fenced in another epoch", want: "fenced in 5", do: func(c *checker, w1, _ *machine) {
			fenced(c, "w1")
			other := spec
			other.Epoch = 6
			c.began(newContainer(w1, other))
		}},
		{name: "two at once", want: "run at once", do: func(c *checker, w1, w2 *machine) {
			fenced(c, "w1")
			fenced(c, "w2")
			c.began(newContainer(w1, spec))
			c.began(newContainer(w2, spec))
		}},
		{name: "beyond its deadline", want: "beyond its deadline", do: func(c *checker, w1, _ *machine) {
			fenced(c, "w1")
			late := spec
			late.Deadline.Kill = w1.clock.Now() - time.Second
			r := newContainer(w1, late)
			c.began(r)
			c.over(r)
		}},
		{name: "its allocation taken back", want: "taken back while it runs", do: func(c *checker, w1, _ *machine) {
			fenced(c, "w1")
			c.began(newContainer(w1, spec))
			c.follow("allocations/w1/r", nil, true)
		}},
		{name: "its request ended", want: "has ended while attempt 1 runs", do: func(c *checker, w1, _ *machine) {
			fenced(c, "w1")
			c.began(newContainer(w1, spec))
			c.follow("archive/r", nil, false)
		}},
		{name: "ended twice", want: "has ended 2 times", do: func(c *checker, _, _ *machine) {
			c.follow("archive/r", nil, false)
			c.follow("archive/r", nil, false)
		}},
		{name: "ended twice though purged", want: "has ended 2 times", do: func(c *checker, _, _ *machine) {
			c.follow("archive/r", nil, false)
			c.follow("archive/r", nil, true)
			c.follow("archive/r", nil, false)
		}},
		{name: "ended, purged, and submitted anew", do: func(c *checker, _, _ *machine) {
			c.follow("archive/r", nil, false)
			c.follow("archive/r", nil, true)
			c.follow("requests/r", nil, false)
			c.follow("archive/r", nil, false)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, w1, w2 := onMachines(1)
				tt.do(c, w1, w2)
				if tt.want == "" && !c.violated() {
					return
				}
				if tt.want == "" || len(c.found) == 0 || !strings.Contains(c.found[0].Says, tt.want) {
					t.Errorf("found %v, want %q", c.found, tt.want)
				}
			})
		})
	}
}
