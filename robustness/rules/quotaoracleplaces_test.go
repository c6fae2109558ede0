package rules

import (
	"fmt"
	"maps"
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

// berthAt is where one goes: a worker, how much it gets of each of its devices, and what that counts for.
type berthAt struct {
	worker int
	gets   []int64
	needs  berth.Amounts
}

// haveRoom says whether so many like this one can all be placed: every way is tried.
func (v *vacancies) haveRoom(d *typed, n int64) bool {
	return v.among(d, v.all(d), n, map[string]bool{})
}

// among tries some places for so many. They are alike: the order in which they take places does not matter. What is left where it
// found none is not tried again.
func (v *vacancies) among(d *typed, all []berthAt, n int64, vain map[string]bool) bool {
	if n == 0 {
		return true
	}
	for i := range all {
		at := &all[i]
		if !v.fits(d, at) {
			continue
		}
		v.take(d, at, 1)
		left := fmt.Sprint(len(all)-i, n, v.workers, v.allowed)
		ok := !vain[left] && v.among(d, all[i:], n-1, vain)
		vain[left] = true
		v.take(d, at, -1)
		if ok {
			return true
		}
	}
	return false
}

// all are the places that one may have by what it asks for, be they free or not: for each of its demands devices of one type.
func (v *vacancies) all(d *typed) (out []berthAt) {
	for w := range v.workers {
		out = append(out, v.each(w, d.wants, berthAt{
			worker: w, gets: make([]int64, len(v.workers[w].types)), needs: berth.Amounts{berth.DimensionCPU: d.cpu, berth.DimensionMemory: memoryOfEach},
		})...)
	}
	return out
}

// each are the ways to serve demands on a worker, beside what is got there already.
func (v *vacancies) each(w int, demands []berth.DeviceDemand, got berthAt) (out []berthAt) {
	if len(demands) == 0 {
		return []berthAt{got}
	}
	of := demands[0]
	for _, kind := range oracleTypes {
		if len(of.Types) > 0 && !slices.Contains(of.Types, kind) {
			continue
		}
		for _, devices := range chosen(v.workers[w].types, kind, of.Count) {
			next := berthAt{w, slices.Clone(got.gets), maps.Clone(got.needs)}
			for _, i := range devices {
				next.gets[i] += of.Milli
			}
			next.needs[berth.DeviceDimension(kind)] += of.Count * of.Milli
			out = append(out, v.each(w, demands[1:], next)...)
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
func (v *vacancies) fits(d *typed, at *berthAt) bool {
	w := &v.workers[at.worker]
	if w.cpu < d.cpu || w.memory < memoryOfEach {
		return false
	}
	for i, milli := range at.gets {
		if w.rooms[i] < milli {
			return false
		}
	}
	for dim, need := range at.needs {
		if most, limited := v.allowed[dim]; limited && need > most {
			return false
		}
	}
	return true
}

// take takes a place so many times; -1: it is free again.
func (v *vacancies) take(d *typed, at *berthAt, times int64) {
	w := &v.workers[at.worker]
	w.cpu -= times * d.cpu
	w.memory -= times * memoryOfEach
	for i, milli := range at.gets {
		w.rooms[i] -= times * milli
	}
	for dim, n := range at.needs {
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
		also    []berth.DeviceDemand
	}{
		{"as many as there are", nil, berth.DeviceDemand{Count: 1, Milli: 500}, 3, true, nil},
		{"more than cores", nil, berth.DeviceDemand{Count: 1, Milli: 500}, 4, false, nil},
		{"devices of two types are no two of one", nil, berth.DeviceDemand{Count: 2, Milli: 500}, 1, false, nil},
		{"what its quota leaves", berth.Amounts{"devices.h100": 0}, berth.DeviceDemand{Count: 1, Milli: 500}, 2, true, nil},
		{"more than its quota leaves", berth.Amounts{"devices.h100": 0, "devices.a100": 500}, berth.DeviceDemand{Count: 1, Milli: 500}, 2, false, nil},
		{"two types together", berth.Amounts{"devices.h100": 500, "devices.a100": 500}, berth.DeviceDemand{Count: 1, Milli: 500}, 2, true, nil},
		{"types that it names", nil, berth.DeviceDemand{Count: 1, Milli: 1000, Types: []string{"t4", "h100"}}, 2, false, nil},
		{"another demand finds the rest of a device", nil, berth.DeviceDemand{Count: 1, Milli: 500}, 2, true, []berth.DeviceDemand{{Count: 1, Milli: 500}}},
		{"another demand on the same worker", nil, berth.DeviceDemand{Count: 1, Milli: 1000}, 1, true, []berth.DeviceDemand{{Count: 1, Milli: 500, Types: []string{"a100"}}}},
		{"and on no other", nil, berth.DeviceDemand{Count: 1, Milli: 1000}, 1, false, []berth.DeviceDemand{{Count: 1, Milli: 1000}}},
		{"both of a type that its quota has for one", berth.Amounts{"devices.a100": 500, "devices.h100": 0}, berth.DeviceDemand{Count: 1, Milli: 500}, 1, false, []berth.DeviceDemand{{Count: 1, Milli: 500}}},
	} {
		v := &vacancies{workers: two(), allowed: tt.allowed}
		if got := v.haveRoom(&typed{wants: append([]berth.DeviceDemand{tt.wants}, tt.also...), cpu: 100}, tt.n); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
