package rules

import (
	"slices"
	"testing"

	"github.com/berthd/berth"
)

// vacancies is what a cluster has free by its records, and what of it a tenant may have.
type vacancies struct {
	workers []freeWorker
	allowed berth.Amounts // more, of what is limited
}

// freeWorker is what a worker has free.
type freeWorker struct {
	cpu, memory int64
	types       []string // of its devices
	rooms       []int64  // thousandths free on each
}

// berthAt is where one goes: a worker, and devices of one type, as many as are asked for.
type berthAt struct {
	worker  int
	kind    string
	devices []int
}

// haveRoom says whether so many like this one can all be placed: every way is tried.
func (v *vacancies) haveRoom(d *typed, n int64) bool { return v.among(d, v.all(d), n) }

// among tries some places for so many. They are alike: the order in which they take places does not matter.
func (v *vacancies) among(d *typed, all []berthAt, n int64) bool {
	if n == 0 {
		return true
	}
	for i, at := range all {
		if !v.fits(d, at) {
			continue
		}
		v.take(d, at, 1)
		ok := v.among(d, all[i:], n-1)
		v.take(d, at, -1)
		if ok {
			return true
		}
	}
	return false
}

// all are the places that one may have by what it asks for, be they free or not.
func (v *vacancies) all(d *typed) (out []berthAt) {
	for w := range v.workers {
		for _, kind := range oracleTypes {
			if len(d.wants.Types) > 0 && !slices.Contains(d.wants.Types, kind) {
				continue
			}
			for _, devices := range chosen(v.workers[w].types, kind, d.wants.Count) {
				out = append(out, berthAt{w, kind, devices})
			}
		}
	}
	return out
}

// chosen are all ways to choose so many different devices of one type.
func chosen(types []string, kind string, n int64) (out [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for i := len(types) - 1; i >= 0; i-- {
		if types[i] != kind {
			continue
		}
		for _, fewer := range chosen(types[:i], kind, n-1) {
			out = append(out, append(slices.Clone(fewer), i))
		}
	}
	return out
}

// fits says whether a place is free, and allowed.
func (v *vacancies) fits(d *typed, at berthAt) bool {
	w := &v.workers[at.worker]
	if w.cpu < d.cpu || w.memory < memoryOfEach || slices.ContainsFunc(at.devices, func(i int) bool { return w.rooms[i] < d.wants.Milli }) {
		return false
	}
	for dim, need := range d.needs(at.kind) {
		if most, limited := v.allowed[dim]; limited && need > most {
			return false
		}
	}
	return true
}

// take takes a place so many times; -1: it is free again.
func (v *vacancies) take(d *typed, at berthAt, times int64) {
	w := &v.workers[at.worker]
	w.cpu -= times * d.cpu
	w.memory -= times * memoryOfEach
	for _, i := range at.devices {
		w.rooms[i] -= times * d.wants.Milli
	}
	v.counts(d.needs(at.kind), times)
}

// needs is what one with devices of a type counts for.
func (d *typed) needs(kind string) berth.Amounts {
	return berth.Amounts{berth.DimensionCPU: d.cpu, berth.DimensionMemory: memoryOfEach, berth.DeviceDimension(kind): d.wants.Count * d.wants.Milli}
}

// counts counts amounts against the quota so many times.
func (v *vacancies) counts(a berth.Amounts, times int64) {
	for dim, n := range a {
		if _, limited := v.allowed[dim]; limited {
			v.allowed[dim] -= times * n
		}
	}
}

// The oracle finds a place where there is one, and none where there is none.
func TestQuotaTypes_OracleTries(t *testing.T) {
	two := func() []freeWorker {
		return []freeWorker{
			{cpu: 200, memory: 1 << 30, types: []string{"h100", "a100"}, rooms: []int64{1000, 500}},
			{cpu: 100, memory: 1 << 30, types: []string{"a100"}, rooms: []int64{1000}},
		}
	}
	for _, tt := range []struct {
		name    string
		allowed berth.Amounts
		wants   berth.DeviceDemand
		n       int64
		want    bool
	}{
		{"as many as there are", nil, berth.DeviceDemand{Count: 1, Milli: 500}, 3, true},
		{"more than cores", nil, berth.DeviceDemand{Count: 1, Milli: 500}, 4, false},
		{"devices of two types are no two of one", nil, berth.DeviceDemand{Count: 2, Milli: 500}, 1, false},
		{"what its quota leaves", berth.Amounts{"devices.h100": 0}, berth.DeviceDemand{Count: 1, Milli: 500}, 2, true},
		{"more than its quota leaves", berth.Amounts{"devices.h100": 0, "devices.a100": 500}, berth.DeviceDemand{Count: 1, Milli: 500}, 2, false},
		{"two types together", berth.Amounts{"devices.h100": 500, "devices.a100": 500}, berth.DeviceDemand{Count: 1, Milli: 500}, 2, true},
		{"types that it names", nil, berth.DeviceDemand{Count: 1, Milli: 1000, Types: []string{"t4", "h100"}}, 2, false},
	} {
		v := &vacancies{workers: two(), allowed: tt.allowed}
		if got := v.haveRoom(&typed{wants: tt.wants, cpu: 100}, tt.n); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
