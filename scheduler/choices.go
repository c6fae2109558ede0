package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// A request may have several demands for devices, each of several types, and a quota that has not enough of some for all of them. Which
// types it could have together are its choices.

// Choices are a request with one type for each of its demands, of those that are there, such that there is enough left of all; of types for
// which that is not told there is. By preference, the first demand's first, and at most 64.
func Choices(r *berth.Request, there []string, left map[string]int64) (out []*berth.Request) {
	portions := make([]Portion, len(r.Resources.Devices))
	for i := range portions {
		d := &r.Resources.Devices[i]
		portions[i] = Portion{Want: d.Count * d.Milli, Kinds: there}
		if len(d.Types) > 0 {
			portions[i].Kinds = slices.DeleteFunc(slices.Clone(d.Types), func(kind string) bool { return !slices.Contains(there, kind) })
		}
	}
	for _, types := range Typings(portions, left) {
		one := *r
		one.Resources.Devices = slices.Clone(r.Resources.Devices)
		for i := range types {
			one.Resources.Devices[i].Types = types[i : i+1]
		}
		out = append(out, &one)
	}
	return out
}

// Includes says whether a request may have the one type that a choice names for each of its demands.
func Includes(r, choice *berth.Request) bool {
	for i := range choice.Resources.Devices {
		if of := r.Resources.Devices[i].Types; len(of) > 0 && !slices.Contains(of, choice.Resources.Devices[i].Types[0]) {
			return false
		}
	}
	return true
}

// WithEnough is a request with those types of devices, of those that are there, of which there is enough for so many requests by any of them
// alone; of a demand without any such type all stay.
func WithEnough(r *berth.Request, there []string, requests int64, enough func(kind string, milli int64) bool) *berth.Request {
	if len(r.Resources.Devices) == 0 {
		return r
	}
	next := *r
	next.Resources.Devices = slices.Clone(r.Resources.Devices)
	for i := range next.Resources.Devices {
		d := &next.Resources.Devices[i]
		kinds, want := d.Types, requests*d.Count*d.Milli
		if len(kinds) == 0 {
			kinds = there
		}
		could := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return !enough(kind, want) })
		if len(could) > 0 && len(could) < len(kinds) {
			d.Types, d.AnyOrder = could, len(d.Types) == 0 || d.AnyOrder
		}
	}
	return &next
}

// NeedOfTypes is what so many need of a quota that want so much of one type of devices each, and have to wait for some types: all of
// one, the first of which most is enough; or a part of each, where that is enough; of several mosts by the first that is. Where none is, all of
// the first type.
func NeedOfTypes(kinds []string, want, n int64, mosts ...func(berth.Dimension) int64) berth.Amounts {
	for _, most := range mosts {
		for _, kind := range kinds {
			if d := berth.DeviceDimension(kind); most(d) >= n*want {
				return berth.Amounts{d: n * want}
			}
		}
		need, left := make(berth.Amounts), n
		for _, kind := range kinds {
			d := berth.DeviceDimension(kind)
			if some := min(left, most(d)/want); some > 0 {
				need[d], left = some*want, left-some
			}
		}
		if left == 0 {
			return need
		}
	}
	return berth.Amounts{berth.DeviceDimension(kinds[0]): n * want}
}

// NeedInParts is what so many need that want so much of one type of devices each, where parts of it may be of any: of the first most as much as that is enough for,
// and of each other the rest. nil: all of them are not enough.
func NeedInParts(kinds []string, want, n int64, mosts ...func(berth.Dimension) int64) berth.Amounts {
	need, left := make(berth.Amounts), n
	for _, most := range mosts {
		for _, kind := range kinds {
			d := berth.DeviceDimension(kind)
			if some := min(left, (most(d)-need[d])/want); some > 0 {
				need[d], left = need[d]+some*want, left-some
			}
		}
	}
	if left > 0 {
		return nil
	}
	return need
}

// WithType is a request with one type for one of its demands for devices.
func WithType(r *berth.Request, i int, kind string) *berth.Request {
	next := *r
	next.Resources.Devices = slices.Clone(r.Resources.Devices)
	next.Resources.Devices[i].Types = []string{kind}
	return &next
}
