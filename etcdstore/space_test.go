package etcdstore_test

import (
	"slices"
	"testing"

	"github.com/berthd/berth/etcdstore"
)

// While a member is gone the others are asked, compacted and defragmented.
func TestSpace_MemberGone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := onCluster(t, c)
	space, err := r.Space(t.Context())
	if err != nil || len(space.Unreached) > 0 {
		t.Fatalf("with all members: %+v, %v", space, err)
	}
	gone := (c.leader() + 1) % 3
	c.stop(gone)
	r.commit(r.submission("without"))
	space, err = r.Space(t.Context())
	if want := []string{c.endpoints()[gone]}; err != nil || !slices.Equal(space.Unreached, want) || space.SizeBytes == 0 || space.QuotaBytes == 0 {
		t.Fatalf("%+v, %v; want the others' sizes, and %v unreached", space, err, want)
	}
	if err := r.Compact(t.Context(), space.Revision); err != nil {
		t.Error(err)
	}
	if err := r.Defragment(t.Context()); err != nil {
		t.Error(err)
	}
}

func nobody(t *testing.T) string {
	t.Helper()
	u := freeURL(t)
	return u.String()
}

func TestSpace_NobodyAnswers(t *testing.T) {
	t.Parallel()
	client, err := etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{nobody(t), nobody(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // nothing was sent
	s, err := etcdstore.New(client, etcdstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if space, err := s.Space(t.Context()); err == nil {
		t.Errorf("%+v of a store that is not there", space)
	}
	if err := s.Defragment(t.Context()); err == nil {
		t.Error("defragmented a store that is not there")
	}
}
