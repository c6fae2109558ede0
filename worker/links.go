package worker

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/berthd/berth"
)

// Bounds of what is read of a matrix.
const (
	maxTopologyBytes = 1 << 20
	maxTopologyGPUs  = berth.MaxDevicesPerWorker
)

var (
	escapes = regexp.MustCompile("\x1b\\[[0-9;]*m") // the header is underlined, on a terminal or not
	gpuCell = regexp.MustCompile(`^GPU([0-9]{1,4})$`)
	nvLinks = regexp.MustCompile(`^NV[0-9]+$`) // so many NVLinks, bonded, directly or by a switch
)

// linkDevices names the link domains of devices by what "nvidia-smi topo -m" says.
func linkDevices(text string, devices []berth.Device) error {
	m, err := readTopology(text)
	if err == nil {
		err = m.link(devices)
	}
	if err != nil {
		return fmt.Errorf("read what %s says of links: %w", smiProgram, err)
	}
	return nil
}

// matrix is which GPUs nvidia-smi says are connected by NVLink: by their indices.
type matrix struct {
	known  map[int]bool
	linked map[[2]int]bool
}

// both says whether each of two GPUs is said to be connected to the other.
func (m *matrix) both(a, b int) bool { return m.linked[[2]int{a, b}] && m.linked[[2]int{b, a}] }

// readTopology reads the matrix that "nvidia-smi topo -m" prints: cells are parted by
// tabs; a line of names, then one of each GPU (and of each network card, which are not
// looked at), then an empty line and a legend.
func readTopology(text string) (*matrix, error) {
	if len(text) > maxTopologyBytes {
		return nil, fmt.Errorf("more than %d bytes", maxTopologyBytes)
	}
	m := &matrix{known: make(map[int]bool), linked: make(map[[2]int]bool)}
	columns := map[int]int{} // the GPU of a column
	for line := range strings.Lines(escapes.ReplaceAllString(text, "")) {
		cells := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		gpu, isGPU := gpuOf(cells[0])
		switch {
		case len(columns) == 0:
			for i, cell := range cells[1:] {
				if of, ok := gpuOf(cell); ok {
					columns[i+1] = of
				}
			}
			if len(columns) > maxTopologyGPUs {
				return nil, fmt.Errorf("more than %d GPUs", maxTopologyGPUs)
			}
		case isGPU && m.known[gpu]:
			return nil, fmt.Errorf("GPU%d has two lines", gpu)
		case isGPU:
			m.known[gpu] = true
			if err := m.row(gpu, cells, columns); err != nil {
				return nil, err
			}
		}
	}
	if len(columns) == 0 {
		return nil, errors.New("no line of names with a GPU")
	}
	return m, nil
}

func (m *matrix) row(gpu int, cells []string, columns map[int]int) error {
	for i, other := range columns {
		if i >= len(cells) || cells[i] == "" {
			return fmt.Errorf("the line of GPU%d has nothing about GPU%d", gpu, other)
		}
		if other != gpu && nvLinks.MatchString(cells[i]) {
			m.linked[[2]int{gpu, other}] = true
		}
	}
	return nil
}

func gpuOf(cell string) (index int, ok bool) {
	name := gpuCell.FindStringSubmatch(cell)
	if name == nil {
		return 0, false
	}
	index, err := strconv.Atoi(name[1])
	return index, err == nil && index < maxTopologyGPUs
}

// link names the link domains of devices that are called gpu0 and so on. In a domain
// each is connected to each of the others: an edge of the matrix is a pair that reaches
// each other by NVLink, and what is reached over a third has no such path. Domains are
// made in the order of the indices: a device is of the first in which all are connected
// to it, or begins one. So where a switch connects all, that is one domain; pairs with a
// bridge are one each; and of the eight of a cube mesh, 0 to 3 and 4 to 7 are. Who stays
// alone is in no domain.
func (m *matrix) link(devices []berth.Device) error {
	byIndex := make(map[int]*berth.Device, len(devices))
	for i := range devices {
		index, err := strconv.Atoi(strings.TrimPrefix(devices[i].Name, "gpu"))
		if err != nil || !m.known[index] {
			return fmt.Errorf("no line of %s", devices[i].Name)
		}
		byIndex[index] = &devices[i]
	}
	var domains [][]int
	for index := range maxTopologyGPUs {
		if byIndex[index] != nil {
			domains = m.join(domains, index)
		}
	}
	n := 0
	for _, d := range domains {
		if len(d) < 2 {
			continue
		}
		for _, index := range d {
			byIndex[index].Link = fmt.Sprintf("nvlink%d", n)
		}
		n++
	}
	return nil
}

// join puts a GPU into the first domain in which all are connected to it.
func (m *matrix) join(domains [][]int, gpu int) [][]int {
next:
	for i, d := range domains {
		for _, other := range d {
			if !m.both(gpu, other) {
				continue next
			}
		}
		domains[i] = append(d, gpu)
		return domains
	}
	return append(domains, []int{gpu})
}
