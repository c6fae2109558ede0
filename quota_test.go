package berth_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func drawAmounts(t *rapid.T, name string) berth.Amounts {
	return rapid.MapOfN(
		rapid.SampledFrom([]berth.Dimension{"cpu_milli", "memory_bytes", "custom.license", "devices.t4"}), rapid.Int64Range(0, 100), 0, 4,
	).Draw(t, name)
}

// Sums are exact: what was added can be taken off again, and nothing of it is left.
func TestAmounts_Sums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawAmounts(t, "a"), drawAmounts(t, "b")
		sum, err := a.Plus(b)
		if err != nil {
			t.Fatal(err)
		}
		for d := range sum {
			if sum[d] != a[d]+b[d] || sum[d] == 0 {
				t.Fatalf("%v + %v is %v", a, b, sum)
			}
		}
		rest, err := sum.Minus(b)
		if err != nil {
			t.Fatal(err)
		}
		for d := range a {
			if rest[d] != a[d] {
				t.Fatalf("%v + %v - %v is %v", a, b, b, rest)
			}
		}
		nothing, err := rest.Minus(a)
		if err != nil || len(nothing) != 0 || !nothing.IsZero() {
			t.Fatalf("%v - %v is %v, %v", rest, a, nothing, err)
		}
	})
}

func TestAmounts_Overflow(t *testing.T) {
	most := berth.Amounts{berth.DimensionCPU: 1<<63 - 1}
	if _, err := most.Plus(berth.Amounts{berth.DimensionCPU: 1}); !errors.Is(err, berth.ErrOverflow) {
		t.Errorf("beyond what there are numbers for: %v", err)
	}
	if _, err := (berth.Amounts{}).Minus(berth.Amounts{berth.DimensionCPU: 1}); !errors.Is(err, berth.ErrOverflow) {
		t.Errorf("below nothing: %v", err)
	}
}

func TestAmountsOf(t *testing.T) {
	got := berth.AmountsOf(&berth.Share{
		Quantities: berth.Quantities{CPUMilli: 5, Custom: map[string]int64{"license": 2}}, Ports: []int32{80},
		Devices: []berth.DeviceShare{{Name: "g0", Milli: 1000}, {Name: "g1", Milli: 500}, {Name: "g2", Milli: 250}},
	}, &berth.Capacity{Devices: []berth.Device{{Name: "g0", Type: "t4"}, {Name: "g1", Type: "t4"}, {Name: "g2", Type: "h100"}}})
	if want := (berth.Amounts{"cpu_milli": 5, "custom.license": 2, "devices.t4": 1500, "devices.h100": 250}); !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCheckLimits(t *testing.T) {
	for _, tt := range []struct {
		limits berth.Amounts
		want   string // in the error; empty: none
	}{
		{berth.Amounts{"cpu_milli": 0, "memory_bytes": 1, "disk_bytes": 1, "custom.a.b": 1, "devices.h100": 500}, ""},
		{berth.Amounts{"cpu_milli": -1}, "limits.cpu_milli"},
		{berth.Amounts{"cpu_milli": berth.MaxCPUMilli + 1}, "limits.cpu_milli"},
		{berth.Amounts{"cores": 1}, "is no dimension"},
		{berth.Amounts{"custom.": 1}, "limits"},
		{berth.Amounts{"devices.No": 1}, "limits"},
	} {
		err := berth.CheckLimits(tt.limits)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.limits, err, tt.want)
		}
	}
}
