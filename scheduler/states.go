package scheduler

import "encoding/binary"

// Workers that are built alike and have as much free of each device lose the same to a
// request. There are many of them: pools are bought by the dozen, and who is filled after
// another goes through the states that this has gone through. So states have numbers, and
// a row (see dealing.go) judges each once.

// maxStates bounds the states that are known, for each worker of a pool.
const maxStates = 4

// states numbers the states of workers. A number is never given to another state, so that
// what is known of it stays true whatever happens to the workers; one that is forgotten
// gets another number when it comes again.
type states struct {
	numbers map[string]uint64
	last    uint64
	key     []byte
}

func newStates() states { return states{numbers: make(map[string]uint64)} }

// of is the number of the state that n is in; workers are so many.
func (s *states) of(n *node, workers int) uint64 {
	s.key = n.appendState(s.key[:0])
	if number, known := s.numbers[string(s.key)]; known {
		return number
	}
	if len(s.numbers) >= max(maxStates*workers, maxCounted) {
		clear(s.numbers)
	}
	s.last++
	s.numbers[string(s.key)] = s.last
	return s.last
}

// appendState appends what judgeState looks at of n: what is free of each amount, and each
// device with its type, link domain, memory and what is free of it.
func (n *node) appendState(b []byte) []byte {
	for _, free := range n.own.free {
		b = binary.AppendVarint(b, free)
	}
	for i := range n.devices {
		v := &n.devices[i]
		b = binary.AppendVarint(b, int64(n.types[i]))
		b = binary.AppendVarint(b, int64(v.link))
		b = binary.AppendVarint(b, v.memory)
		b = binary.AppendVarint(b, v.free)
	}
	return b
}
