package daemon

import (
	"testing"

	"github.com/berthd/berth"
)

// What is left while a plan takes what is new stays so as long as there is enough for it, and no more than there was.
func TestLeftsForNew(t *testing.T) {
	const d = berth.Dimension("cpu")
	of, none := account{"t", "p"}, account{"t", "q"}
	one := &gathering{Gathering: berth.Gathering{Need: berth.Amounts{d: 4}}}
	lefts := leftsForNew{of: {one, berth.Amounts{d: 10}}, none: {nil, berth.Amounts{d: 10}}}
	for _, c := range []struct {
		name string
		of   account
		rest int64
		left *gathering
		same bool
	}{
		{"as it was", of, 10, one, true},
		{"less", of, 4, one, true},
		{"too little", of, 3, nil, false},
		{"more", of, 11, nil, false},
		{"nothing of less", none, 0, nil, true},
		{"something of more, it may be", none, 11, nil, false},
		{"another account", account{"u", "p"}, 10, nil, false},
	} {
		if left, same := lefts.of(c.of, berth.Amounts{d: c.rest}); left != c.left || same != c.same {
			t.Errorf("%s: %v, known %v, want %v, known %v", c.name, left, same, c.left, c.same)
		}
	}
}
