package worker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestShowDevices(t *testing.T) {
	uuids := map[string]string{"gpu0": "GPU-aa", "gpu1": "GPU-bb", "gpu2": "GPU-cc"}
	whole := func(names ...string) (held []berth.DeviceShare) {
		for _, n := range names {
			held = append(held, berth.DeviceShare{Name: n, Milli: berth.WholeDevice})
		}
		return held
	}
	all := map[string]string{VariableCUDA: "0", VariableNVIDIA: "all"}
	for _, tt := range []struct {
		name  string
		own   map[string]string
		held  []berth.DeviceShare
		uuids map[string]string
		want  map[string]string
	}{
		{"two, in order", nil, whole("gpu2", "gpu0"), uuids, map[string]string{VariableCUDA: "GPU-cc,GPU-aa", VariableNVIDIA: "GPU-cc,GPU-aa"}},
		{"what is held wins", all, whole("gpu1"), uuids, map[string]string{VariableCUDA: "GPU-bb", VariableNVIDIA: "GPU-bb"}},
		{
			"parts of one device", nil,
			[]berth.DeviceShare{{Name: "gpu1", Milli: 250}, {Name: "gpu1", Milli: 250}},
			uuids,
			map[string]string{VariableCUDA: "GPU-bb", VariableNVIDIA: "GPU-bb"},
		},
		{"one that is not NVIDIA's", nil, whole("fpga0", "gpu1"), uuids, map[string]string{VariableCUDA: "GPU-bb", VariableNVIDIA: "GPU-bb"}},
		{"none", nil, nil, uuids, map[string]string{VariableCUDA: "", VariableNVIDIA: "void"}},
		{"none of NVIDIA's", nil, whole("fpga0"), uuids, map[string]string{VariableCUDA: "", VariableNVIDIA: "void"}},
		{"none, and its own word", all, nil, uuids, all},
		{"none, and its own word for one", map[string]string{VariableNVIDIA: "all"}, nil, uuids, map[string]string{VariableCUDA: "", VariableNVIDIA: "all"}},
		{"no UUID known", nil, whole("gpu0"), nil, map[string]string{}},
		{"no UUID known, and its own word", all, whole("gpu0"), nil, all},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{}
			for k, v := range tt.own {
				env[k] = v
			}
			showDevices(env, tt.held, tt.uuids)
			if diff := cmp.Diff(tt.want, env); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}
