package invariant

import (
	"reflect"
	"testing"
)

// Every record of a healthy store is read in one pass; only what is odd is worth
// more.
func TestDecode_Plain(t *testing.T) {
	for _, p := range healthy().pairs() {
		n, err := parseKey(p.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := plain[n.kind].Read(p.Value); !ok {
			t.Errorf("%s is not plain: %s", p.Key, p.Value)
		}
	}
}

// FuzzDecode: what is plain is what would be read of it otherwise, and nothing
// that breaks a clause is plain.
func FuzzDecode(f *testing.F) {
	for _, p := range healthy().pairs() {
		f.Add(p.Key, p.Value)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		n, err := parseKey(key)
		if err != nil {
			return
		}
		got, ok := plain[n.kind].Read(value)
		if !ok || versionOf(got) != 1 {
			return
		}
		want, bad := decodeAny(n, value)
		if bad != nil {
			t.Fatalf("%s: %s is plain, and breaks %s: %s", key, value, bad.clause, bad.problem)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %s is read as %+v, otherwise as %+v", key, value, got, want)
		}
	})
}
