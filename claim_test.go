package berth_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func TestClaim_Device(t *testing.T) {
	l := berth.Ledger{Capacity: berth.Capacity{Devices: []berth.Device{{Name: "g0"}, {Name: "g1"}}, Ports: berth.PortRange{First: 80, Last: 81}}}
	has := map[berth.RequestID]berth.Share{
		"a": {Devices: []berth.DeviceShare{{Name: "g0", Milli: 400}}, Ports: []int32{81}},
		"b": {Devices: []berth.DeviceShare{{Name: "g0", Milli: 500}}},
	}
	of := func(id berth.RequestID) berth.Share { return has[id] }
	for _, s := range has {
		var err error
		if l, err = l.Reserve(s); err != nil {
			t.Fatal(err)
		}
	}
	wants := berth.Share{Devices: []berth.DeviceShare{{Name: "g0", Milli: 1000}}, Ports: []int32{81, 80}}
	claimed, err := l.WithClaim(berth.Claim{Request: "c", Attempt: 1, Wants: wants, Victims: []berth.RequestID{"a", "b"}}, of)
	if err != nil {
		t.Fatal(err)
	}
	held := berth.Share{Devices: []berth.DeviceShare{{Name: "g0", Milli: 100}}, Ports: []int32{80}}
	if diff := cmp.Diff(held, claimed.Held); diff != "" {
		t.Errorf("held at once (-want +got):\n%s", diff)
	}
	if _, err := claimed.Reserve(berth.Share{Devices: []berth.DeviceShare{{Name: "g0", Milli: 100}}}); !errors.Is(err, berth.ErrOverCapacity) {
		t.Errorf("what is held is given to another: %v", err)
	}
	claimed, err = claimed.Release(berth.Share{Devices: []berth.DeviceShare{{Name: "g0", Milli: 400}}, Ports: []int32{81}})
	if err != nil {
		t.Fatal(err)
	}
	claimed, c, err := claimed.VictimEnded("a", of)
	if err != nil || c == nil || len(c.Victims) != 1 || c.Share.Devices[0].Milli != 500 || len(c.Share.Ports) != 2 {
		t.Errorf("after the first end: %+v, %v", c, err)
	}
	if _, none, err := claimed.VictimEnded("z", of); none != nil || err != nil {
		t.Errorf("an end that nobody waits for: %+v, %v", none, err)
	}
	if _, err := claimed.WithClaim(*c, of); err == nil {
		t.Error("two claims of one request")
	}
}

// TestProperty_Claim: whatever ends in whatever order, and whoever takes what is free then, what is held is the sum of the
// claims and within the capacity; and when the last victim has ended, its claim holds
// all that it wants.
func TestProperty_Claim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := func(most int64, name string) berth.Share {
			return berth.Share{Quantities: berth.Quantities{CPUMilli: rapid.Int64Range(0, most).Draw(t, name), Custom: map[string]int64{"x": rapid.Int64Range(0, 2).Draw(t, "x")}}}
		}
		l := berth.Ledger{Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 20, Custom: map[string]int64{"x": 8}}}}
		on := map[berth.RequestID]berth.Share{}
		for _, id := range []berth.RequestID{"a", "b", "c", "d", "e", "f"} {
			s := amount(6, "of "+string(id))
			if next, err := l.Reserve(s); err == nil {
				l, on[id] = next, s
			}
		}
		claims := map[berth.RequestID][]berth.RequestID{"p": {"a", "b"}, "q": {"c"}}
		for _, id := range []berth.RequestID{"q", "p"} {
			room := l
			var victims []berth.RequestID
			for _, v := range claims[id] {
				if s, there := on[v]; there {
					victims = append(victims, v)
					room, _ = room.Release(s)
				}
			}
			wants := amount(12, "wanted by "+string(id))
			if _, err := room.Reserve(wants); err != nil || len(victims) == 0 {
				continue
			}
			next, err := l.WithClaim(berth.Claim{Request: id, Attempt: 1, Wants: wants, Victims: victims}, func(v berth.RequestID) berth.Share { return on[v] })
			if err != nil {
				t.Fatal(err)
			}
			l = next
		}
		for _, id := range rapid.Permutation([]berth.RequestID{"a", "b", "c", "d", "e", "f"}).Draw(t, "ends") {
			share, there := on[id]
			if !there {
				continue
			}
			var c *berth.Claim
			var err error
			if l, err = l.Release(share); err == nil {
				l, c, err = l.VictimEnded(id, func(v berth.RequestID) berth.Share { return on[v] })
			}
			if err != nil {
				t.Fatal(err)
			}
			if stranger, err := l.Free(berth.Share{Quantities: l.Capacity.Quantities}); err == nil { // takes all that nobody holds
				if l, err = l.Reserve(stranger); err != nil {
					t.Fatal(err)
				}
			}
			var sum berth.Share
			for _, one := range l.Claims {
				sum, _ = sum.Plus(one.Share)
			}
			if !sum.Quantities.Equal(l.Held.Quantities) {
				t.Fatalf("held %+v, of claims %+v", l.Held, l.Claims)
			}
			if _, err := l.Reserve(berth.Share{}); err != nil {
				t.Fatal(err)
			}
			if c != nil && len(c.Victims) == 0 {
				bare, err := l.WithoutClaim(c.Request)
				if err == nil {
					_, err = bare.Reserve(c.Wants)
				}
				if err != nil || !c.Share.Quantities.Equal(c.Wants.Quantities) {
					t.Fatalf("the last end leaves %+v of %+v: %v", c.Share, c.Wants, err)
				}
			}
		}
	})
}
