package bench

import "testing"

// A restart finds what was there, and places at once.
func TestStart(t *testing.T) {
	o := tiny(t)
	o.Workers = 3
	r, err := Start(t.Context(), StartOptions{Options: o, Allocations: 40})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rounds != 2 || r.Allocations != 40 || r.Workers != 3 {
		t.Errorf("%d rounds of %d allocations on %d workers", r.Rounds, r.Allocations, r.Workers)
	}
	if r.StoreS <= 0 || r.FirstPlacementS < r.StoreS || r.KnownS < r.StoreS || r.RSSBytes == 0 || r.DBBytes == 0 {
		t.Errorf("%+v", r)
	}
}
