package etcdstore_test

import (
	"errors"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

func requestKey(id string) berth.Key { return berth.Key{Kind: berth.KindRequest, ID: id} }

// idsAt are the requests of a revision.
func (r *rig) idsAt(rev berth.Revision) (ids []string, err error) {
	_, err = r.ScanAt(r.t.Context(), rev, []berth.Kind{berth.KindPool, berth.KindRequest}, func(f berth.Fact) error {
		ids = append(ids, f.Key.ID)
		return nil
	})
	return ids, err
}

func TestScanAt_Past(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.commit(r.submission("a")).Revision
	second := r.commit(r.submission("b")).Revision
	if ids, err := r.idsAt(first); err != nil || len(ids) != 1 || ids[0] != "a" {
		t.Errorf("at revision %d: %v, %v", first, ids, err)
	}
	if ids, err := r.idsAt(0); err != nil || len(ids) != 2 {
		t.Errorf("now: %v, %v", ids, err)
	}
	facts, err := r.GetAt(t.Context(), first, requestKey("a"), requestKey("b"))
	if err != nil || facts[0].Record == nil || facts[1].Record != nil {
		t.Errorf("at revision %d: %v, %v", first, facts, err)
	}
	if oldest, err := r.Oldest(t.Context()); err != nil || oldest != 1 {
		t.Errorf("oldest %d, %v", oldest, err)
	}
	if err := r.Compact(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	for _, rev := range []berth.Revision{first, second + 1000} {
		_, scanErr := r.idsAt(rev)
		_, getErr := r.GetAt(t.Context(), rev, requestKey("a"))
		for _, err := range []error{scanErr, getErr} {
			past, ok := errors.AsType[*etcdstore.PastError](err)
			if !ok || past.Revision != rev || rev == first && past.Oldest != second || rev != first && past.Newest == 0 {
				t.Errorf("at revision %d: %+v, %v", rev, past, err)
			}
			t.Log(err)
		}
	}
	if oldest, err := r.Oldest(t.Context()); err != nil || oldest != second {
		t.Errorf("oldest %d, %v, want %d", oldest, err, second)
	}
}
