package scheduler

// Hash is 64-bit FNV-1a of a name, to be mixed with another's for rendezvous
// hashing: of requests over workers here, of both over daemons.
func Hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// Mix is the finalizer of splitmix64: FNV alone would rank those whose names
// differ in the last digit alike for every key.
func Mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
