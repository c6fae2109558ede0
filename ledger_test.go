package berth_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func testLedger() berth.Ledger {
	return berth.Ledger{Epoch: 7, Capacity: berth.Capacity{
		Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 100, DiskBytes: 100, Custom: map[string]int64{"x": 5}},
		Ports:      berth.PortRange{First: 80, Last: 89},
		Devices:    []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}},
	}}
}

func genShare(t *rapid.T, i int) berth.Share {
	s := berth.Share{Quantities: berth.Quantities{
		CPUMilli: rapid.Int64Range(0, 30).Draw(t, "cpu"), MemoryBytes: rapid.Int64Range(0, 30).Draw(t, "memory"),
	}}
	if rapid.Bool().Draw(t, "custom") {
		s.Custom = map[string]int64{"x": rapid.Int64Range(1, 2).Draw(t, "x")}
	}
	if rapid.Bool().Draw(t, "port") {
		s.Ports = []int32{80 + rapid.Int32Range(0, 10).Draw(t, "number")}
	}
	if rapid.Bool().Draw(t, "device") {
		s.Devices = []berth.DeviceShare{{Name: fmt.Sprintf("g%d", i%2), Milli: rapid.Int64Range(1, 1000).Draw(t, "milli")}}
	}
	return s
}

// TestProperty_Ledger: whatever is reserved and released, a ledger never exceeds
// its capacity, equals the sum of its shares, and ends as it began.
func TestProperty_Ledger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := testLedger()
		l := start
		var held []berth.Share
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			if len(held) > 0 && rapid.IntRange(0, 2).Draw(t, "release") == 0 {
				next, err := l.Release(held[0])
				if err != nil {
					t.Fatalf("release: %v", err)
				}
				l, held = next, held[1:]
				continue
			}
			s := genShare(t, i)
			before := l
			next, err := l.Reserve(s)
			if diff := cmp.Diff(before, l); diff != "" {
				t.Fatalf("Reserve has changed its receiver:\n%s", diff)
			}
			if err != nil {
				continue
			}
			l, held = next, append(held, s)
			if over := l.Capacity.Exceeds(l.Reserved); over != "" {
				t.Fatalf("over capacity: %s", over)
			}
		}
		if l.Count != int64(len(held)) || l.Empty() != (len(held) == 0) {
			t.Fatalf("count %d of %d, empty %t", l.Count, len(held), l.Empty())
		}
		for _, s := range held {
			var err error
			if l, err = l.Release(s); err != nil {
				t.Fatalf("release: %v", err)
			}
		}
		if diff := cmp.Diff(start, l); diff != "" {
			t.Fatalf("released all (-start +end):\n%s", diff)
		}
	})
}

func TestLedgerReserve_Refuses(t *testing.T) {
	devices := func(name string, milli int64) berth.Share {
		return berth.Share{Devices: []berth.DeviceShare{{Name: name, Milli: milli}}}
	}
	tests := []struct {
		name  string
		share berth.Share
		want  error
	}{
		{"cpu", berth.Share{Quantities: berth.Quantities{CPUMilli: 91}}, berth.ErrOverCapacity},
		{"memory", berth.Share{Quantities: berth.Quantities{MemoryBytes: 101}}, berth.ErrOverCapacity},
		{"disk", berth.Share{Quantities: berth.Quantities{DiskBytes: 101}}, berth.ErrOverCapacity},
		{"custom", berth.Share{Quantities: berth.Quantities{Custom: map[string]int64{"x": 6}}}, berth.ErrOverCapacity},
		{"custom unknown", berth.Share{Quantities: berth.Quantities{Custom: map[string]int64{"y": 1}}}, berth.ErrOverCapacity},
		{"port out of range", berth.Share{Ports: []int32{79}}, berth.ErrOverCapacity},
		{"port held", berth.Share{Ports: []int32{80}}, berth.ErrOverflow},
		{"port twice", berth.Share{Ports: []int32{81, 81}}, berth.ErrOverflow},
		{"device held in part", devices("g0", 401), berth.ErrOverCapacity},
		{"device unknown", devices("g9", 1), berth.ErrOverCapacity},
		{"device above whole", devices("g1", 1001), berth.ErrOverflow},
		{"device negative", devices("g1", -1), berth.ErrOverflow},
		{"negative", berth.Share{Quantities: berth.Quantities{CPUMilli: -1}}, berth.ErrOverflow},
		{"fits exactly", berth.Share{
			Quantities: berth.Quantities{CPUMilli: 90, MemoryBytes: 100, DiskBytes: 100, Custom: map[string]int64{"x": 5}},
			Ports:      []int32{89, 81}, Devices: []berth.DeviceShare{{Name: "g0", Milli: 400}, {Name: "g1", Milli: 1000}},
		}, nil},
	}
	l := testLedger()
	l.Held = berth.Share{
		Quantities: berth.Quantities{CPUMilli: 10}, Ports: []int32{80},
		Devices: []berth.DeviceShare{{Name: "g0", Milli: 600}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := l.Reserve(tt.share)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil && got.Count != 1 {
				t.Errorf("count %d, want 1", got.Count)
			}
		})
	}
}

func TestLedgerRelease_Refuses(t *testing.T) {
	l, err := testLedger().Reserve(berth.Share{Quantities: berth.Quantities{CPUMilli: 5}, Ports: []int32{80}})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]berth.Share{
		"cpu":    {Quantities: berth.Quantities{CPUMilli: 6}},
		"port":   {Ports: []int32{81}},
		"device": {Devices: []berth.DeviceShare{{Name: "g0", Milli: 1}}},
	} {
		if _, err := l.Release(s); !errors.Is(err, berth.ErrOverflow) {
			t.Errorf("%s that is not reserved: %v", name, err)
		}
	}
	if _, err := testLedger().Release(berth.Share{}); !errors.Is(err, berth.ErrOverflow) {
		t.Errorf("release on a ledger that counts none: %v", err)
	}
}
