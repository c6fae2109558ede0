package scheduler

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// bruteDeal says whether there is a dealing, by trying every type for every demand of every member.
func bruteDeal(portions []Portion, members int64, left map[string]int64) bool {
	var all []Portion
	for range members {
		all = append(all, portions...)
	}
	rest := maps.Clone(left)
	var serve func(int) bool
	serve = func(i int) bool {
		if i == len(all) {
			return true
		}
		for _, kind := range all[i].Kinds {
			has, bounded := rest[kind]
			if bounded && has < all[i].Want {
				continue
			}
			if bounded {
				rest[kind] -= all[i].Want
			}
			if serve(i + 1) {
				return true
			}
			if bounded {
				rest[kind] += all[i].Want
			}
		}
		return false
	}
	return serve(0)
}

// What members are dealt is found where there is a dealing, and is no more than there is.
func TestDealTypes_AsByForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		left := map[string]int64{}
		for _, kind := range []string{"a", "b", "c"} {
			if n := rapid.Int64Range(-1, 8).Draw(t, kind); n >= 0 {
				left[kind] = 500 * n
			}
		}
		portions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Portion {
			return Portion{
				Want:  500 * rapid.Int64Range(1, 4).Draw(t, "want"),
				Kinds: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID).Draw(t, "kinds"),
			}
		}), 1, 3).Draw(t, "portions")
		members := rapid.Int64Range(1, 3).Draw(t, "members")
		was := maps.Clone(left)
		got := DealTypes(portions, members, left)
		if want := bruteDeal(portions, members, left); got.Found != want || got.GaveUp {
			t.Fatalf("%+v, by force %t", got, want)
		}
		if !maps.Equal(was, left) {
			t.Fatalf("left is %v, was %v", left, was)
		}
		for kind, n := range got.Of {
			if n > left[kind] {
				t.Fatalf("dealt %v of %v", got.Of, left)
			}
		}
	})
}

// The largest group with two demands of two types is dealt in whole, also where nothing is left over then; of more it may give up,
// and says so.
func TestDealTypes_Many(t *testing.T) {
	two := []Portion{{500, []string{"a", "b"}}, {1000, []string{"b", "a"}}}
	left := map[string]int64{"a": 900_500, "b": 599_500}
	if got := DealTypes(two, 1000, left); !got.Found || !maps.Equal(got.Of, map[string]int64{"a": 900_500, "b": 599_500}) {
		t.Errorf("%+v", got)
	}
	left["b"]--
	if got := DealTypes(two, 1000, left); got.Found || got.GaveUp {
		t.Errorf("one thousandth less: %+v", got)
	}
	kinds := []string{"a", "b", "c", "d", "e"}
	var many []Portion
	for i := range kinds {
		many = append(many, Portion{int64(700 + 10*i), slices.Concat(kinds[i:], kinds[:i])})
	}
	left = map[string]int64{"a": 720_003, "b": 720_003, "c": 720_003, "d": 720_003, "e": 720_003}
	if got := DealTypes(many, 1000, left); got.Found || !got.GaveUp {
		t.Errorf("%+v", got)
	}
}
