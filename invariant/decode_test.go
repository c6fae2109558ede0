package invariant

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is wrong with a value is said with the name of its field.
func TestDecode_Names(t *testing.T) {
	ledger := func(more string) string {
		return `{"version":1,"txn":"t","epoch":1,"capacity":{},"count":0,"reserved":{},"held":{}` + more + `}`
	}
	request := func(more string) string {
		return `{"version":1,"txn":"t","digest":"x","submitted_at":"` + day + `","spec":{"id":"r"` + more + `}}`
	}
	for name, tt := range map[string]struct{ key, value, clause, want string }{
		"no JSON":           {"pools/p", `spread`, "0.2", "invalid character"},
		"no object":         {"pools/p", `[]`, "0.2", "is no JSON object"},
		"nothing but null":  {"pools/p", `null`, "0.2", "is no JSON object"},
		"cut off":           {"pools/p", `{"version":1,"txn":"t"`, "0.2", "EOF"},
		"two values":        {"pools/p", `{"version":1,"txn":"t","strategy":"spread"}{}`, "0.2", "after top-level value"},
		"unknown":           {"ledgers/w", ledger(`,"colour":1`), "0.2", `field "colour": is unknown`},
		"another case":      {"ledgers/w", ledger(`,"Lease":"1"`), "0.2", `field "Lease": is unknown`},
		"deep unknown":      {"ledgers/w", ledger(`,"claims":[{"share":{"colour":1}}]`), "0.2", `field "claims.0.share.colour": is unknown`},
		"missing":           {"pools/p", `{"version":1,"txn":"t"}`, "0.2", `field "strategy": is missing`},
		"missing in a list": {"ledgers/w", ledger(`,"claims":[{"request":"r","share":{}}]`), "0.2", `field "claims.0.attempt": is missing`},
		"missing in a spec": {"requests/r", request(``), "0.2", `field "spec.tenant": is missing`},
		"unknown in a spec": {"requests/r", request(`,"retry":{"colour":1}`), "0.2", `field "spec.retry.colour": is unknown`},
		"null":              {"ledgers/w", ledger(`,"lease":null`), "0.2", `field "lease": is null`},
		"null in a list":    {"requests/r", request(`,"command":["a",null]`), "0.2", `field "spec.command.1": is null`},
		"null in a map":     {"ledgers/w", strings.Replace(ledger(``), `"held":{}`, `"held":{"custom":{"a":null}}`, 1), "0.2", `field "held.custom.a": is null`},
		"null for a struct": {"ledgers/w", ledger(`,"claims":[null]`), "0.2", `field "claims.0": is null`},
		"null behind a *":   {"requests/r", request(`,"group":null`), "0.2", `field "spec.group": is null`},
		"twice":             {"ledgers/w", ledger(`,"lease":"1","lease":"1"`), "0.2", `duplicate object member name "lease"`},
		"twice in a map":    {"ledgers/w", strings.Replace(ledger(``), `"held":{}`, `"held":{"custom":{"a":1,"a":1}}`, 1), "0.2", `duplicate object member name "a"`},
		"twice, escaped":    {"ledgers/w", ledger(`,"lease":"1","le\u0061se":"1"`), "0.2", `duplicate object member name "lease"`},
		"another type":      {"ledgers/w", ledger(`,"lease":1`), "0.2", `field "lease" is of another type`},
		"list for a struct": {"ledgers/w", strings.Replace(ledger(``), `"held":{}`, `"held":[]`, 1), "0.2", `field "held" is of another type`},
		"too large":         {"ledgers/w", ledger(`,"ttl_seconds":9223372036854775808`), "0.2", `field "ttl_seconds": value out of range`},
		"no time":           {"requests/r", strings.Replace(request(``), day, "yesterday", 1), "0.2", `field "submitted_at": `},
		"no UTF-8":          {"ledgers/w", ledger(`,"lease":"` + "\xff" + `"`), "0.2", "invalid UTF-8"},
		"half a surrogate":  {"ledgers/w", ledger(`,"lease":"\ud800"`), "0.2", `surrogate`},
		"newer and unknown": {"pools/p", `{"colour":"red","version":2}`, "0.3", "version 2 is newer"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := parseKey(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			_, bad := decode(n, []byte(tt.value))
			if bad == nil || bad.clause != tt.clause || !strings.Contains(bad.problem, tt.want) {
				t.Errorf("%v, want %s: %s", bad, tt.clause, tt.want)
			}
		})
	}
}

// FuzzDecode: what is read is what any reader of JSON takes the value for.
func FuzzDecode(f *testing.F) {
	for _, p := range healthy().pairs() {
		f.Add(p.Key, p.Value)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		n, err := parseKey(key)
		if err != nil {
			return
		}
		got, bad := decode(n, value)
		if bad != nil {
			return
		}
		want := reflect.New(recordTypes[n.kind]).Interface()
		if err := json.Unmarshal(value, want); err != nil {
			t.Fatalf("%s: %s is read, which encoding/json refuses: %v", key, value, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %s is read otherwise than by encoding/json\n%s", key, value, cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })))
		}
	})
}

// BenchmarkDecode reads the records that change most.
func BenchmarkDecode(b *testing.B) {
	s := healthy()
	for _, key := range []string{"ledgers/w1", "allocations/w1/r1", "requests/r1"} {
		n, err := parseKey(key)
		if err != nil {
			b.Fatal(err)
		}
		value := s.pair(key).Value
		b.Run("kind="+n.kind, func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(n, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
