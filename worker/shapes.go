package worker

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/berthd/berth"
)

// Bounds of a file of shapes.
const (
	maxShapes      = 100_000
	maxShapesBytes = 64 << 20
	maxShapeLine   = 1 << 20 // what a worker may say of itself is far less
)

// Shape is what one hollow worker pretends to be.
type Shape struct {
	Name     string // empty: numbered
	Capacity berth.Capacity
	Labels   map[string]string
	Taints   []berth.Taint
	Spot     bool

	WarmImages []string // that are there
}

// ShapeError is a line of a file of shapes that cannot be read.
type ShapeError struct {
	Line int
	Err  error
}

func (e *ShapeError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *ShapeError) Unwrap() error { return e.Err }

// column sets what a cell says.
type column func(s *Shape, cell string) error

// columns of Berth's own files, and of the openb node list (sn, memory_mib,
// gpu, model). gpus must stand beside gpu_type.
var columns = map[string]column{
	"name":         setName,
	"sn":           setName,
	"cpu_milli":    func(s *Shape, c string) error { return setInt(&s.Capacity.CPUMilli, c, berth.MaxCPUMilli) },
	"memory_bytes": func(s *Shape, c string) error { return setInt(&s.Capacity.MemoryBytes, c, berth.MaxMemoryBytes) },
	"disk_bytes":   func(s *Shape, c string) error { return setInt(&s.Capacity.DiskBytes, c, berth.MaxDiskBytes) },
	"memory_mib":   setMemoryMiB,
	"gpus":         setDevices,
	"gpu":          setDevices,
	"gpu_type":     setDeviceType,
	"model":        setDeviceType,
	"ports":        setPorts,
	"labels":       setLabels,
	"taints":       setTaints,
	"spot":         setSpot,
	"warm_images":  setWarmImages,
}

// sayingSame are the columns that are there under two names, and what they say.
var sayingSame = map[string]string{
	"name": "the name", "sn": "the name",
	"memory_bytes": "the memory", "memory_mib": "the memory",
	"gpus": "how many devices", "gpu": "how many devices",
	"gpu_type": "the type of devices", "model": "the type of devices",
}

// ReadShapes reads CSV with a header line. Columns: name (or sn), cpu_milli,
// memory_bytes (or memory_mib), disk_bytes, gpus (or gpu), gpu_type (or model),
// ports (20000-20100), labels (zone=a;disk=nvme), taints (gpu=yes:no_place;spot:prefer_no_place),
// spot (true or false), warm_images (train:3;serve:1). A file of the openb node list is read as it is.
// Its errors are *ShapeError.
func ReadShapes(r io.Reader) ([]Shape, error) {
	in := csv.NewReader(&shortLines{in: io.LimitReader(r, maxShapesBytes+1)})
	in.TrimLeadingSpace = true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, &ShapeError{Line: 1, Err: errors.New("the file is empty; its first line names the columns")}
	}
	if err != nil {
		return nil, shapeError(in, err)
	}
	set, err := readHeader(header)
	if err != nil {
		return nil, &ShapeError{Line: 1, Err: err}
	}
	var shapes []Shape
	names := map[string]int{}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if in.InputOffset() > maxShapesBytes {
			err = fmt.Errorf("the file is larger than %d bytes", maxShapesBytes)
		}
		if errors.Is(err, csv.ErrFieldCount) {
			err = fmt.Errorf("has %d fields, and the header %d", len(cells), len(header))
		}
		if err != nil {
			return nil, shapeError(in, err)
		}
		line, _ := in.FieldPos(0)
		shape, err := readShape(set, header, cells)
		if err == nil && shape.Name != "" && names[shape.Name] > 0 {
			err = fmt.Errorf("name %q stands in line %d already", shape.Name, names[shape.Name])
		}
		if err == nil && len(shapes) == maxShapes {
			err = fmt.Errorf("more than %d workers", maxShapes)
		}
		if err != nil {
			return nil, &ShapeError{Line: line, Err: err}
		}
		names[shape.Name] = line
		shapes = append(shapes, shape)
	}
	if len(shapes) == 0 {
		return nil, &ShapeError{Line: 2, Err: errors.New("there is no worker below the header")}
	}
	return shapes, nil
}

// shortLines reads a file of lines, and ends at one that is too long: of a file that is no such list, as /dev/zero, the first
// line is all that there is.
type shortLines struct {
	in   io.Reader
	line int // bytes of it, so far
}

var errLongLine = fmt.Errorf("the line is longer than %d bytes", maxShapeLine)

func (s *shortLines) Read(to []byte) (int, error) {
	n, err := s.in.Read(to)
	for _, b := range to[:n] {
		if s.line++; b == '\n' {
			s.line = 0
		}
		if s.line > maxShapeLine {
			return 0, errLongLine
		}
	}
	return n, err
}

func shapeError(in *csv.Reader, err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return &ShapeError{Line: parse.Line, Err: parse.Err}
	}
	line, _ := in.FieldPos(0)
	return &ShapeError{Line: line, Err: err}
}

func readHeader(header []string) ([]column, error) {
	set := make([]column, len(header))
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if columns[name] == nil {
			return nil, fmt.Errorf("column %q is unknown; known: %s", told(name), strings.Join(columnNames(), ", "))
		}
		for _, before := range header[:i] {
			switch {
			case before == name:
				return nil, fmt.Errorf("column %q is repeated", name)
			case sayingSame[before] == sayingSame[name] && sayingSame[name] != "":
				return nil, fmt.Errorf("columns %q and %q say the same, %s: it is repeated", before, name, sayingSame[name])
			}
		}
		header[i], set[i] = name, columns[name]
	}
	return set, nil
}

func columnNames() []string {
	var names []string
	for name := range columns {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func readShape(set []column, header, cells []string) (Shape, error) {
	var s Shape
	for i, cell := range cells {
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		if err := set[i](&s, cell); err != nil {
			return Shape{}, inColumn(header[i], err)
		}
	}
	for i := range s.Capacity.Devices {
		if s.Capacity.Devices[i].Type == "" {
			s.Capacity.Devices[i].Type = "gpu"
		}
	}
	if len(s.Capacity.Devices) > 0 && s.Capacity.Devices[0].Name == "" {
		return Shape{}, errors.New("a gpu type without gpus")
	}
	if err := s.Capacity.Validate(); err != nil {
		return Shape{}, err
	}
	if err := berth.ValidateTaints("taints", s.Taints); err != nil {
		return s, err
	}
	return s, berth.ValidateWorkerLabels("labels", s.Labels)
}

// inColumn names the column of an error, which may name it by itself, or by the other word for it.
func inColumn(name string, err error) error {
	fe, ok := errors.AsType[*berth.FieldError](err)
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", name, err)
	case sayingSame[fe.Field] != "" && sayingSame[fe.Field] == sayingSame[name]:
		in := *fe
		in.Field = name
		return &in
	case fe.Field == name || strings.HasPrefix(fe.Field, name+"["):
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// told is a cell as an error quotes it.
func told(cell string) string { return berth.Clip(cell, 64) }

func setName(s *Shape, cell string) error {
	s.Name = cell
	return berth.CheckID("name", cell)
}

func setInt(to *int64, cell string, most int64) error {
	v, err := strconv.ParseInt(cell, 10, 64)
	if err != nil || v < 0 || v > most {
		return fmt.Errorf("%q is not a whole number of 0 to %d", told(cell), most)
	}
	*to = v
	return nil
}

func setMemoryMiB(s *Shape, cell string) error {
	if err := setInt(&s.Capacity.MemoryBytes, cell, berth.MaxMemoryBytes>>20); err != nil {
		return err
	}
	s.Capacity.MemoryBytes <<= 20
	return nil
}

// setDevices and setDeviceType may come in either order.
func setDevices(s *Shape, cell string) error {
	var n int64
	if err := setInt(&n, cell, berth.MaxDevicesPerWorker); err != nil {
		return err
	}
	kind := ""
	if len(s.Capacity.Devices) > 0 {
		kind = s.Capacity.Devices[0].Type
	}
	s.Capacity.Devices = nil
	for i := range n {
		s.Capacity.Devices = append(s.Capacity.Devices, berth.Device{Name: fmt.Sprintf("gpu%03d", i), Type: kind})
	}
	return nil
}

func setDeviceType(s *Shape, cell string) error {
	kind := strings.ToLower(cell)
	if err := berth.CheckID("gpu_type", kind); err != nil {
		return err
	}
	if len(s.Capacity.Devices) == 0 {
		s.Capacity.Devices = []berth.Device{{Type: kind}}
		return nil
	}
	for i := range s.Capacity.Devices {
		s.Capacity.Devices[i].Type = kind
	}
	return nil
}

func setPorts(s *Shape, cell string) (err error) {
	s.Capacity.Ports, err = ParsePorts(cell)
	return err
}

func setLabels(s *Shape, cell string) error {
	s.Labels = map[string]string{}
	for part := range strings.SplitSeq(cell, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || name == "" {
			return fmt.Errorf("%q is not NAME=VALUE", told(part))
		}
		if _, repeated := s.Labels[name]; repeated {
			return fmt.Errorf("label %q is repeated", told(name))
		}
		s.Labels[name] = value
	}
	return nil
}

func setWarmImages(s *Shape, cell string) error {
	for _, image := range strings.Split(cell, ";") {
		s.WarmImages = append(s.WarmImages, strings.TrimSpace(image))
	}
	return berth.ValidateWarmImages("warm_images", s.WarmImages)
}

func setSpot(s *Shape, cell string) (err error) {
	if s.Spot, err = strconv.ParseBool(cell); err != nil {
		return fmt.Errorf("%q is not true or false", told(cell))
	}
	return nil
}

func setTaints(s *Shape, cell string) error {
	for part := range strings.SplitSeq(cell, ";") {
		t, err := berth.ParseTaint(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		s.Taints = append(s.Taints, t)
	}
	slices.SortFunc(s.Taints, berth.Taint.Compare)
	return nil
}
