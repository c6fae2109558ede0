package scheduler

// Hash is 64-bit FNV-1a of a name. Mixed it is a place on the ring of workers;
// mixed with another's it is for rendezvous hashing, of both over daemons.
func Hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// Mix is the finalizer of splitmix64: FNV alone would set those whose names
// differ in the last digit side by side.
func Mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
