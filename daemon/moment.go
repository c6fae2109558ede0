package daemon

import "time"

// moment is a time of a record in eight bytes: nanoseconds since 1970, in UTC; 0
// is no time.
type moment int64

// momentOf says whether a moment holds t, so that time gives the same back.
func momentOf(t time.Time) (moment, bool) {
	if t.IsZero() {
		return 0, true
	}
	if _, east := t.Zone(); east != 0 || t.Year() < 1700 || t.Year() > 2200 {
		return 0, false
	}
	m := moment(t.UnixNano())
	return m, m != 0
}

func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m)).UTC()
}
