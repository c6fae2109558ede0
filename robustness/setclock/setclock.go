// Package setclock makes the Times of a process on a machine whose clock is set while it
// runs. A Time of time.Now has a monotonic reading, by which two of them are compared
// whatever they tell; in a bubble of testing/synctest it has none.
package setclock

import (
	"time"
	"unsafe"
)

// Time is a Time that tells wall and measures by mono, which is more than 0 and no
// function of package time makes: a flag, 33 bits of seconds since 1885, 30 of
// nanoseconds; then the monotonic reading.
func Time(wall time.Time, mono time.Duration) time.Time {
	const since1885 = 2682288000 // until 1970
	t := wall.Local()
	*(*struct {
		wall uint64
		ext  int64
	})(unsafe.Pointer(&t)) = struct {
		wall uint64
		ext  int64
	}{1<<63 | uint64(wall.Unix()+since1885)<<30 | uint64(wall.Nanosecond()), int64(mono)} //nolint:gosec // years after 1970
	return t
}
