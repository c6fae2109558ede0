package worker

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

// The runbook names every column.
func TestReadShapes_Documented(t *testing.T) {
	doc, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range columnNames() {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/runbook.md says nothing of the column %s", name)
		}
	}
}

func TestReadShapes(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want []Shape
	}{
		{"own columns", "name,cpu_milli,memory_bytes,gpus,gpu_type,labels\na,1000,2000,2,H100,zone=x;disk=nvme\nb,1,2,,,\n", []Shape{
			{
				Name: "a", Labels: map[string]string{"zone": "x", "disk": "nvme"},
				Capacity: berth.Capacity{
					Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 2000},
					Devices:    []berth.Device{{Name: "gpu000", Type: "h100"}, {Name: "gpu001", Type: "h100"}},
				},
			},
			{Name: "b", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1, MemoryBytes: 2}}},
		}},
		{"openb", "sn,cpu_milli,memory_mib,gpu,model\nopenb-node-0000,64000,262144,1,P100\n", []Shape{{
			Name: "openb-node-0000",
			Capacity: berth.Capacity{
				Quantities: berth.Quantities{CPUMilli: 64000, MemoryBytes: 256 << 30},
				Devices:    []berth.Device{{Name: "gpu000", Type: "p100"}},
			},
		}}},
		{"no name", "cpu_milli\n5\n", []Shape{{Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 5}}}}},
		{"ports", "name,ports\na,20000-20100\nb,\n", []Shape{
			{Name: "a", Capacity: berth.Capacity{Ports: berth.PortRange{First: 20000, Last: 20100}}},
			{Name: "b"},
		}},
		{"no gpu, though a model", "model,gpu,cpu_milli\nT4,0,5\n", []Shape{{Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 5}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadShapes(strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("shapes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadShapes_Bad(t *testing.T) {
	tests := []struct {
		name, in string
		line     int
		want     string
	}{
		{"empty", "", 1, "empty"},
		{"only a header", "name\n", 2, "no worker"},
		{"unknown column", "name,cores\na,1\n", 1, `"cores" is unknown`},
		{"repeated column", "name,name\na,b\n", 1, "repeated"},
		{"two names", "name,cpu_milli,sn\na,1,b\n", 1, `columns "name" and "sn" say the same, the name: it is repeated`},
		{"two memories", "memory_mib,memory_bytes\n1,2\n", 1, `columns "memory_mib" and "memory_bytes" say the same`},
		{"two counts", "gpus,gpu\n1,2\n", 1, `columns "gpus" and "gpu" say the same`},
		{"two types", "gpus,model,gpu_type\n1,t4,a100\n", 1, `columns "model" and "gpu_type" say the same`},
		{"negative", "name,cpu_milli\na,-1\n", 2, `"-1" is not a whole number`},
		{"fraction", "name,cpu_milli\na,1\nb,1.5\n", 3, `"1.5"`},
		{"overflow", "name,memory_mib\na,9223372036854775807\n", 2, "memory_mib"},
		{"too many cells", "name,cpu_milli\na,1,2\n", 2, "has 3 fields, and the header 2"},
		{"bad quote", "name,cpu_milli\na,\"1\n", 2, "quote"},
		{"bad name", "name\nA B\n", 2, "not allowed"},
		{"same name", "name\na\na\n", 3, "line 2 already"},
		{"spot", "name,spot\na,perhaps\n", 2, "true or false"},
		{"images", "name,warm_images\na,train:3;\n", 2, "warm_images[1] is empty"},
		{"reserved label", "name,labels\na,berth.spot=true\n", 2, "labels.berth.spot"},
		{"label", "name,labels\na,zone\n", 2, "NAME=VALUE"},
		{"no range", "name,ports\na,20000\n", 2, `ports "20000" is no range; allowed: FIRST-LAST, from 1 to 65535`},
		{"range backwards", "name,ports\na,20100-20000\n", 2, "ports"},
		{"type without gpus", "name,gpu_type\na,t4\n", 2, "without gpus"},
		{"bad type", "name,gpus,gpu_type\na,1,A B\n", 2, `line 2: gpu_type "a b" has`},
		{"bad model", "name,gpu,model\na,1,A B\n", 2, `line 2: model "a b" has`},
		{"bad serial", "sn\nA B\n", 2, `line 2: sn "A B" has`},
		{"images told once", "name,warm_images\na,train:3;\n", 2, "line 2: warm_images[1] is empty"},
		{"ports told once", "name,ports\na,20000\n", 2, `line 2: ports "20000"`},
		{"taints", "name,taints\na,gpu\n", 2, `line 2: taints: taint "gpu" has no effect`},
		{"too many gpus", "name,gpus\na,257\n", 2, "0 to 256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadShapes(strings.NewReader(tt.in))
			bad, ok := errors.AsType[*ShapeError](err)
			if !ok {
				t.Fatalf("error %v is no *ShapeError", err)
			}
			if bad.Line != tt.line || !strings.Contains(bad.Error(), tt.want) {
				t.Errorf("got %q in line %d, want %q in line %d", bad.Error(), bad.Line, tt.want, tt.line)
			}
		})
	}
}

// zeros are a file without an end, or a line.
type zeros struct{ read int }

func (z *zeros) Read(to []byte) (int, error) {
	clear(to)
	z.read += len(to)
	return len(to), nil
}

// Little is read of what is no list of workers, and what is told of a cell is not as long as the cell.
func TestReadShapes_Long(t *testing.T) {
	var in zeros
	_, err := ReadShapes(&in)
	if bad, ok := errors.AsType[*ShapeError](err); !ok || bad.Error() != "line 1: the line is longer than 1048576 bytes" || in.read > 2*maxShapeLine {
		t.Errorf("%d bytes are read: %v", in.read, err)
	}
	long := strings.Repeat("x", maxShapeLine/3)
	for name, tt := range map[string]string{
		"column":      long,
		"name":        "name\n" + long,
		"number":      "name,cpu_milli\na," + long,
		"type":        "name,gpus,gpu_type\na,1," + long,
		"ports":       "name,ports\na," + long,
		"no label":    "name,labels\na," + long,
		"label":       "name,labels\na," + long + "=1",
		"of a label":  "name,labels\na,a=" + long,
		"label again": "name,labels\na," + long + "=;" + long + "=",
		"taint":       "name,taints\na," + long,
		"of a taint":  "name,taints\na," + long + ":no_place",
		"spot":        "name,spot\na," + long,
		"image":       "name,warm_images\na," + long,
		"fields":      "name\n" + strings.Repeat(",", maxShapeLine/2),
	} {
		_, err := ReadShapes(strings.NewReader(tt + "\n"))
		if _, ok := errors.AsType[*ShapeError](err); !ok || len(err.Error()) > 500 || strings.Contains(err.Error(), "longer than 1048576") {
			t.Errorf("%s: %.600v", name, err)
		}
	}
}

func FuzzReadShapes(f *testing.F) {
	f.Add("name,cpu_milli\na,1\n")
	f.Add("sn,cpu_milli,memory_mib,gpu,model\nn,1,2,3,T4\n")
	f.Fuzz(func(t *testing.T, in string) {
		shapes, err := ReadShapes(strings.NewReader(in))
		if err != nil {
			if _, ok := errors.AsType[*ShapeError](err); !ok {
				t.Fatalf("error %v is no *ShapeError", err)
			}
			return
		}
		for _, s := range shapes {
			if err := s.Capacity.Validate(); err != nil {
				t.Fatalf("accepted an invalid capacity: %v", err)
			}
		}
	})
}
