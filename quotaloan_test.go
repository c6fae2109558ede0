package berth

import (
	"errors"
	"testing"
)

func TestQuota_Allowed(t *testing.T) {
	cpu := func(n int64) Amounts { return Amounts{DimensionCPU: n} }
	for _, tt := range []struct {
		name   string
		of     Quota
		want   int64
		beyond int64
	}{
		{"nothing guaranteed", Quota{Limits: cpu(10)}, 10, 0},
		{"nothing lent or borrowed", Quota{Limits: cpu(10), Guaranteed: cpu(4)}, 4, 0},
		{"borrowed", Quota{Limits: cpu(10), Guaranteed: cpu(4), Borrowed: Loans{"a": cpu(2), "b": cpu(3)}}, 9, 0},
		{"borrowed beyond the limit", Quota{Limits: cpu(8), Guaranteed: cpu(4), Borrowed: Loans{"a": cpu(6)}}, 8, 2},
		{"lent", Quota{Limits: cpu(10), Guaranteed: cpu(4), Lent: Loans{"a": cpu(3)}}, 1, 0},
		{"lent more than is guaranteed now", Quota{Limits: cpu(10), Guaranteed: cpu(2), Lent: Loans{"a": cpu(3)}}, 0, 0},
		{"lent, and nothing guaranteed any more", Quota{Limits: cpu(10), Lent: Loans{"a": cpu(3)}}, 7, 0},
		{"borrowed, and nothing guaranteed any more", Quota{Limits: cpu(10), Borrowed: Loans{"a": cpu(3)}}, 10, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.of.Allowed()[DimensionCPU]; got != tt.want {
				t.Errorf("allowed are %d, want %d", got, tt.want)
			}
			if got := tt.of.Beyond(DimensionCPU); got != tt.beyond {
				t.Errorf("%d are beyond the limit, want %d", got, tt.beyond)
			}
			tt.of.Allowed() // changes nothing
			if tt.of.Limits[DimensionCPU] < 8 {
				t.Error("the limits have changed")
			}
		})
	}
}

func TestLoans_With(t *testing.T) {
	var l Loans
	a := l.With("a", DimensionCPU, 5)
	b := a.With("b", DimensionMemory, 2).With("a", DimensionCPU, 0)
	if a.Of(DimensionCPU) != 5 || b.Of(DimensionCPU) != 0 || len(b) != 1 || len(b.TenantsOf(DimensionMemory)) != 1 || len(b.TenantsOf(DimensionCPU)) != 0 {
		t.Errorf("%v, and then %v", a, b)
	}
	if b = b.With("b", DimensionMemory, 0); b != nil {
		t.Errorf("%v are left of nothing", b)
	}
}

func TestCheckGuaranteed(t *testing.T) {
	limits := Amounts{DimensionCPU: 10, DeviceDimension("t4"): 1000}
	for _, tt := range []struct {
		name  string
		of    Amounts
		field string // of the error; empty: none
	}{
		{"none", nil, ""},
		{"all of it", limits, ""},
		{"nothing of it", Amounts{DimensionCPU: 0}, ""},
		{"more", Amounts{DimensionCPU: 11}, "guaranteed.cpu_milli"},
		{"of what is not limited", Amounts{DimensionMemory: 1}, "guaranteed.memory_bytes"},
		{"of nothing that there is", Amounts{"gpus": 1}, "guaranteed"},
		{"below zero", Amounts{DimensionCPU: -1}, "guaranteed.cpu_milli"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := errors.AsType[*FieldError](CheckGuaranteed(tt.of, limits))
			if ok != (tt.field != "") || ok && e.Field != tt.field {
				t.Errorf("got %v, want an error of %q", e, tt.field)
			}
		})
	}
}
