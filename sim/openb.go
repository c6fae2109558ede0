package sim

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/berthd/berth"
)

// Bounds of files.
const (
	maxMachines = 100_000
	maxPods     = 1_000_000
)

// Machine is one of the cluster.
type Machine struct {
	Name      string
	CPUMilli  int64
	MemoryMiB int64
	GPUs      []string // the model of each
	Labels    map[string]string
	Link      string // the link domain of all of its GPUs; empty: they are in none
}

// Pod is one request of a trace: CPU and memory, and either no GPU, a part of one
// (GPUs is 1), or some whole ones on one machine.
type Pod struct {
	Name      string
	CPUMilli  int64
	MemoryMiB int64
	GPUs      int64
	GPUMilli  int64    // of each; 0 without GPUs
	Models    []string // that will do; none: any
}

// ReadOpenbNodes reads a list of machines as openb has it: sn, cpu_milli,
// memory_mib, gpu, model. Other columns are passed over.
func ReadOpenbNodes(r io.Reader) ([]Machine, error) {
	t, err := newTable(r, maxMachines, "sn", "cpu_milli", "memory_mib", "gpu", "model")
	if err != nil {
		return nil, err
	}
	return t.machines("sn", "gpu", "model", "", "")
}

// machines reads rows of such columns; labels may be none.
func (t *table) machines(name, gpus, model, labels, link string) ([]Machine, error) {
	var out []Machine
	names := make(map[string]int)
	for {
		more, err := t.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		m, err := t.machine(name, gpus, model)
		if err != nil {
			return nil, err
		}
		if m.Labels, err = t.labels(labels); err != nil {
			return nil, err
		}
		if m.Link, err = t.link(link, &m); err != nil {
			return nil, err
		}
		if line := names[m.Name]; line > 0 {
			return nil, t.wrong(name, "is repeated", fmt.Sprintf("a name of its own; line %d has this one", line))
		}
		names[m.Name] = t.line
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, &LineError{2, errors.New("there is no machine below the header")}
	}
	return out, nil
}

func (t *table) machine(name, gpus, model string) (m Machine, err error) {
	if m.Name, err = t.word(name); err != nil {
		return m, err
	}
	var count int64
	err = t.numbers([]string{"cpu_milli", "memory_mib", gpus},
		[]int64{berth.MaxCPUMilli, berth.MaxMemoryBytes >> 20, berth.MaxDevicesPerWorker}, []*int64{&m.CPUMilli, &m.MemoryMiB, &count})
	if err != nil || count == 0 && t.text(model) == "" {
		return m, err
	}
	m.GPUs, err = t.models(model, int(count))
	return m, err
}

// models are those of so many GPUs: one of each, or one that all are of. Of none they only have to be ids.
func (t *table) models(field string, count int) ([]string, error) {
	models, err := t.ids(field, berth.MaxDevicesPerWorker, func([]string, string) bool { return true })
	switch {
	case err != nil || count == 0:
		return nil, err
	case len(models) == 1:
		return slices.Repeat(models, count), nil
	case len(models) != count:
		return nil, t.wrong(field, fmt.Sprintf("names %d models", len(models)), fmt.Sprintf("one of all GPUs, or %d, one of each", count))
	}
	return models, nil
}

// ReadOpenbPods reads a list of requests as openb has it: name, cpu_milli,
// memory_mib, num_gpu, gpu_milli, and gpu_spec where there is one. Other columns are
// passed over: the experiment has neither times nor classes.
func ReadOpenbPods(r io.Reader) ([]Pod, error) {
	t, err := newTable(r, maxPods, "name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
	if err != nil {
		return nil, err
	}
	var out []Pod
	for {
		more, err := t.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		p, err := t.pod("num_gpu", "gpu_spec")
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, &LineError{2, errors.New("there is no request below the header")}
	}
	return out, nil
}

func (t *table) pod(gpus, models string) (p Pod, err error) {
	p.Name = t.text("name")
	err = t.numbers([]string{"cpu_milli", "memory_mib", gpus},
		[]int64{berth.MaxCPUMilli, berth.MaxMemoryBytes >> 20, berth.MaxDevicesPerRequest}, []*int64{&p.CPUMilli, &p.MemoryMiB, &p.GPUs})
	if err != nil {
		return p, err
	}
	asked, err := t.words(models, berth.MaxDeviceTypes)
	if err != nil || p.GPUs == 0 {
		return p, err
	}
	p.Models = asked
	if p.GPUMilli, err = t.number("gpu_milli", 1, berth.WholeDevice); err != nil {
		return p, err
	}
	if p.GPUs > 1 && p.GPUMilli != berth.WholeDevice {
		return p, t.wrong("gpu_milli", "is not allowed with several GPUs", fmt.Sprint(berth.WholeDevice))
	}
	return p, nil
}
