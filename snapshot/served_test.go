package snapshot_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

var servedFirst = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// withServed writes a snapshot that holds nothing else.
func withServed(t *testing.T, s snapshot.Served) string {
	t.Helper()
	var out bytes.Buffer
	w, err := snapshot.NewWriter(&out, snapshot.Header{Revision: 1, Served: s})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Of more tenants than a line has room for, those are told that were served last.
func TestWriter_ServedBeyondALine(t *testing.T) {
	all := snapshot.Served{"p": {}, "q": {"last": servedFirst.Add(time.Hour), "first": servedFirst.Add(-time.Hour)}}
	const many = 10_000
	for i := range many {
		all["p"][berth.TenantID(fmt.Sprint(strings.Repeat("t", 50), i))] = servedFirst.Add(time.Duration(i))
	}
	text := withServed(t, all)
	s, err := snapshot.Read(strings.NewReader(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(map[berth.TenantID]time.Time{"last": servedFirst.Add(time.Hour)}, s.Served["q"]); diff != "" {
		t.Errorf("pool q (-written +read):\n%s", diff)
	}
	n := len(s.Served["p"])
	if first, _, _ := strings.Cut(text, "\n"); n < 1000 || len(first) > snapshot.MaxLineBytes/4+200 {
		t.Errorf("%d of %d are told, in %d bytes", n, many, len(first))
	}
	for i := range many {
		if _, told := s.Served["p"][berth.TenantID(fmt.Sprint(strings.Repeat("t", 50), i))]; told != (i >= many-n) {
			t.Fatalf("%d of %d are told; the one served as %d is among them: %v", n, many, i, told)
		}
	}
}

func TestRead_ServedAtNoTime(t *testing.T) {
	good := withServed(t, snapshot.Served{"p": {"a": servedFirst}})
	for _, year := range []string{"1969", "2201"} {
		if _, err := snapshot.Read(strings.NewReader(strings.Replace(good, "2026-", year+"-", 1)), nil); err == nil || !strings.Contains(err.Error(), "line 1: served of pool p: tenant a: "+year) {
			t.Errorf("year %s: %v", year, err)
		}
	}
}

// A snapshot of which nobody told who was served tells it of those who have something there.
func TestSnapshot_ServedByWhatIsThere(t *testing.T) {
	s := snapshot.New(snapshot.Header{Served: snapshot.Served{"default": {"b": servedFirst.Add(time.Hour), "c": servedFirst}}})
	s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindWorker, ID: "w"}, Create: 1, Record: &berth.Worker{Pool: "default"}})
	for i, a := range []berth.Allocation{
		{Tenant: "a", PlacedAt: servedFirst.Add(2)},
		{Tenant: "a", PlacedAt: servedFirst.Add(1)},
		{Tenant: "b", PlacedAt: servedFirst},
		{Tenant: "d"},
		{Tenant: "e", PlacedAt: time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindAllocation, Owner: "w", ID: fmt.Sprint("r", i)}, Record: &a})
	}
	for id, want := range map[berth.TenantID]int64{"a": servedFirst.UnixNano() + 2, "b": servedFirst.Add(time.Hour).UnixNano(), "c": servedFirst.UnixNano(), "d": 0, "e": 0, "f": 0} {
		if got := s.LastServed(id, "default"); got != want {
			t.Errorf("%s: %d, want %d", id, got, want)
		}
	}
}
