package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/worker"
)

// readDevices reads the devices of a file of YAML or JSON, sorted by name: documents, or values of JSON one behind
// another, each of which is a device or a list of devices. As of a file of requests, all that is wrong is told at once,
// each with its place, its field and the bound; and nothing is taken for what it is not.
func readDevices(name string, stdin io.Reader) (worker.Inventory, error) {
	text, err := readBounded(name, "devices (auto, none, or a FILE)", stdin)
	if err != nil {
		return worker.Inventory{}, err
	}
	f := devicesFile{m: manifest{file: name, bound: ofDevices}, found: worker.Inventory{UUIDs: map[string]string{}}, lines: map[string]int{}}
	if err := f.m.documents(text, f.document); err != nil {
		return worker.Inventory{}, f.m.errors(err)
	}
	slices.SortFunc(f.found.Devices, func(a, b berth.Device) int { return strings.Compare(a.Name, b.Name) })
	return f.found, f.m.errors(nil)
}

// devicesFile gathers the devices of a file, and what is wrong with them.
type devicesFile struct {
	m     manifest
	found worker.Inventory
	lines map[string]int // of each name, and of each UUID behind a space
	count int
}

func (f *devicesFile) document(body *yaml.Node) {
	switch {
	case kindOf(body) == kindNull:
	case body.Kind == yaml.SequenceNode:
		f.read(body.Content...)
	default:
		f.read(body)
	}
}

// read reads devices, and notes what is wrong with them.
func (f *devicesFile) read(list ...*yaml.Node) {
	m := &f.m
	for _, n := range list {
		if f.count++; f.count > berth.MaxDevicesPerWorker {
			if f.count == berth.MaxDevicesPerWorker+1 {
				m.fail(n, "holds too many devices; allowed: at most %d", berth.MaxDevicesPerWorker)
			}
			return
		}
		at, message := fmt.Sprintf("devices[%d]", f.count-1), &berthv1.Device{}
		if !m.decode(n, at, message) {
			continue
		}
		d := berth.Device{Name: message.GetName(), Type: message.GetType(), MemoryBytes: message.GetMemoryBytes(), NUMANode: message.NumaNode, Link: message.GetLink()}
		if err := (berth.Capacity{Devices: []berth.Device{d}}).Validate(); err != nil {
			m.failDevice(n, at, err)
			continue
		}
		if first, twice := f.lines[d.Name]; twice {
			m.fail(n, "%s.name %q stands in line %d already; allowed: each name once", at, d.Name, first)
			continue
		}
		if uuid := message.GetUuid(); uuid != "" && !f.identify(n, at, d.Name, uuid) {
			continue
		}
		f.lines[d.Name] = n.Line
		f.found.Devices = append(f.found.Devices, d)
	}
}

// identify notes the UUID of a device: two devices of one would be given out twice.
func (f *devicesFile) identify(n *yaml.Node, at, name, uuid string) bool {
	if err := worker.CheckUUID(uuid); err != nil {
		f.m.failDevice(n, at, err)
		return false
	}
	if first, twice := f.lines[" "+uuid]; twice {
		f.m.fail(n, "%s.uuid %q stands in line %d already; allowed: each UUID once", at, uuid, first)
		return false
	}
	f.lines[" "+uuid] = n.Line
	f.found.UUIDs[name] = uuid
	return true
}

// failDevice notes what is wrong with a device that was judged alone, as devices[0].
func (m *manifest) failDevice(n *yaml.Node, at string, err error) {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		m.fail(n, "%s: %v", at, err)
		return
	}
	alone := *fe
	alone.Field = strings.TrimPrefix(fe.Field, "devices[0].")
	m.fail(fieldNode(n, &alone), "%v", inPath(at, &alone))
}
