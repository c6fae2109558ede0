package hotjson

import (
	"bytes"
	"hash/maphash"

	"github.com/berthd/berth"
)

// specs are some of the requests that were read lately, by all that stands behind their
// id in a submission. The containers of one service, the tasks of one job differ in the
// id alone: so the rest of most is one comparison, and shares the memory of the first.
type specs struct {
	seed maphash.Seed
	of   [64]knownSpec
}

type knownSpec struct {
	text    []byte // from behind the id to the submission's end; empty: none
	request berth.Request
}

// specMost is the longest text that is kept.
const specMost = 4096

func newSpecs() *specs { return &specs{seed: maphash.MakeSeed()} }

func (s *specs) at(text []byte) *knownSpec {
	return &s.of[maphash.Bytes(s.seed, text)%uint64(len(s.of))]
}

// readSpec reads the request of a submission, where it stands last.
func readSpec(c *coder, r *berth.Request) {
	c.begin()
	text(c, "id", &r.ID)
	if c.lost {
		return
	}
	begin, end := c.at, len(c.text)-1 // of the submission
	rest := c.text[begin:]
	var known *knownSpec
	if len(rest) <= specMost {
		known = c.specs.at(rest)
	}
	if known != nil && len(known.text) > 0 && bytes.Equal(known.text, rest) {
		id := r.ID
		*r = known.request
		r.ID, c.at = id, end
		return
	}
	requestBehindID(c, r)
	c.end()
	if known != nil && !c.lost && c.at == end {
		known.text = append(known.text[:0], rest...)
		known.request = *r
	}
}
