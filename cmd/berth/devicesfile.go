package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// readDevices reads the devices of a file of YAML or JSON, sorted by name: one document, a
// list. As of a file of requests, all that is wrong is told at once, each with its place, its
// field and the bound; and nothing is taken for what it is not.
func readDevices(name string, stdin io.Reader) ([]berth.Device, error) {
	text, err := readBounded(name, "devices (auto, none, or a FILE)", stdin)
	if err != nil {
		return nil, err
	}
	m := manifest{file: name}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, m.syntax(err)
	}
	var devices []berth.Device
	for i, doc := range file.Docs {
		switch n := doc.Body.(type) {
		case nil, *ast.NullNode, *ast.CommentGroupNode:
		case *ast.SequenceNode:
			if i > 0 {
				m.fail(n, "is a second document; allowed: one list of devices")
				break
			}
			devices = m.devices(n)
		default:
			m.fail(n, "is no list; allowed: a list of devices, each with name and type, as: - {name: gpu0, type: h100}")
		}
	}
	return devices, errors.Join(m.wrong...)
}

// devices reads those of a list, and notes what is wrong with them.
func (m *manifest) devices(list *ast.SequenceNode) (devices []berth.Device) {
	if n := len(list.Values); n > berth.MaxDevicesPerWorker {
		m.fail(list, "holds %d devices; allowed: at most %d", n, berth.MaxDevicesPerWorker)
		return nil
	}
	lines := map[string]int{}
	for i, n := range list.Values {
		at, message := fmt.Sprintf("devices[%d]", i), &berthv1.Device{}
		if !m.decode(n, at, message) {
			continue
		}
		d := berth.Device{Name: message.GetName(), Type: message.GetType(), MemoryBytes: message.GetMemoryBytes(), NUMANode: message.NumaNode, Link: message.GetLink()}
		if err := (berth.Capacity{Devices: []berth.Device{d}}).Validate(); err != nil {
			m.failDevice(n, at, err)
			continue
		}
		if first, twice := lines[d.Name]; twice {
			m.fail(n, "%s.name %q stands in line %d already; allowed: each name once", at, d.Name, first)
			continue
		}
		lines[d.Name] = n.GetToken().Position.Line
		devices = append(devices, d)
	}
	slices.SortFunc(devices, func(a, b berth.Device) int { return strings.Compare(a.Name, b.Name) })
	return devices
}

// failDevice notes what is wrong with a device that was judged alone, as devices[0].
func (m *manifest) failDevice(n ast.Node, at string, err error) {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		m.fail(n, "%s: %v", at, err)
		return
	}
	alone := *fe
	alone.Field = strings.TrimPrefix(fe.Field, "devices[0].")
	m.fail(fieldNode(n, &alone), "%v", inPath(at, &alone))
}
