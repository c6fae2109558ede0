package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthd/berth/sim"
)

// What a tenant may hold bounds it, whatever is free and however urgent it is; nobody else
// waits for that, nobody makes room for it, and it is no lack of capacity.
func TestTrace_Limits(t *testing.T) {
	two, none := int64(2000), int64(0)
	for _, tt := range []struct {
		name  string
		limit sim.Limit
		want  float64 // of the cores that are allocated, at most
		over  bool
	}{
		{"no limit", sim.Limit{}, 100, false},
		{"two cores", sim.Limit{CPUMilli: &two}, 37.5, true},
		{"no GPU, which it does not ask for", sim.Limit{GPUMilli: &none}, 100, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows := "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant,priority,preemption\n"
			for range 20 {
				rows += "0,1000,1000,0,0,0,greedy,900,lower\n"
			}
			for i := range 20 {
				rows += fmt.Sprintf("%d,1000,1000,0,0,0,modest,,\n", i*1000)
			}
			jobs, err := sim.ReadTrace(strings.NewReader(rows))
			if err != nil {
				t.Fatal(err)
			}
			trace := sim.NewTrace([]sim.Machine{{Name: "a", CPUMilli: 8000}}, jobs)
			trace.Limit("greedy", tt.limit)
			r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			most, over := 0.0, false
			for _, l := range r.Series {
				most, over = max(most, l.CPU), over || l.OverLimit > 0
			}
			if most > tt.want || over != tt.over || r.Placed != 40 {
				t.Errorf("%.1f %% of the cores were allocated, %d jobs placed, some over the limit: %t; want at most %.1f %%, and %t", most, r.Placed, over, tt.want, tt.over)
			}
			for _, one := range r.Tenants {
				if tt.over && one.Name == "modest" && one.MaxMS > 0 {
					t.Errorf("one of another tenant waited for %d ms", one.MaxMS)
				}
			}
			if tt.over && r.Preempted > 0 {
				t.Errorf("%d made room for what is over a limit", r.Preempted)
			}
		})
	}
}
