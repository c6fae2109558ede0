package worker

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthd/berth"
)

// What nvidia-smi is asked for. It comes with the driver, so it is there wherever a
// container could use the devices. (NVML itself needs cgo, and its library at the
// start.)
const (
	smiProgram = "nvidia-smi"
	smiQuery   = "index,name,memory.total,pci.bus_id,mig.mode.current,uuid"
	smiTimeout = 30 * time.Second // a driver that is not loaded yet takes seconds
)

// Inventory is the devices that were found on a machine.
type Inventory struct {
	Devices  []berth.Device    // sorted by name
	UUIDs    map[string]string // by name: Options.DeviceUUIDs
	Skipped  []string          // what is left out, and why
	Unlinked error             // why nothing is known of how they are linked; nil: it is
}

// Devices are the NVIDIA devices of this machine, by nvidia-smi: none where that is
// not installed. Each is named by its index, gpu0, as CUDA counts them with
// CUDA_DEVICE_ORDER=PCI_BUS_ID. One that is divided (MIG) cannot be given out as a
// whole and is left out, as Skipped says. Their link domains are nvlink0 and so on;
// where these cannot be found the devices are as good as before, and none is linked.
func Devices(ctx context.Context) (Inventory, error) {
	program, err := exec.LookPath(smiProgram)
	if errors.Is(err, exec.ErrNotFound) {
		return Inventory{}, nil
	}
	if err != nil {
		return Inventory{}, fmt.Errorf("find %s: %w", smiProgram, err)
	}
	ctx, cancel := context.WithTimeout(ctx, smiTimeout)
	defer cancel()
	text, err := ask(ctx, program, "--query-gpu="+smiQuery, "--format=csv,noheader,nounits")
	if err != nil {
		return Inventory{}, err
	}
	found, err := readSMI(text, os.DirFS("/sys"))
	if err != nil || len(found.Devices) < 2 {
		return found, err
	}
	if text, err = ask(ctx, program, "topo", "-m"); err == nil {
		found.Unlinked = linkDevices(text, found.Devices)
	} else {
		found.Unlinked = err
	}
	return found, nil
}

// ask is what a program answers.
func ask(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w%s", smiProgram, args[0], err, said(err, out))
	}
	return string(out), nil
}

// said is what a program that failed has written.
func said(err error, out []byte) string {
	text := string(out)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		text += string(exit.Stderr)
	}
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	return ": " + strings.ToValidUTF8(text[:min(len(text), 200)], "")
}

// readSMI reads the answer to smiQuery; sys is /sys.
func readSMI(text string, sys fs.FS) (Inventory, error) {
	in := csv.NewReader(strings.NewReader(text))
	in.TrimLeadingSpace = true
	in.FieldsPerRecord = len(strings.Split(smiQuery, ","))
	rows, err := in.ReadAll()
	if err != nil {
		return Inventory{}, fmt.Errorf("read what %s says: %w", smiProgram, err)
	}
	found := Inventory{UUIDs: make(map[string]string)}
	for _, row := range rows {
		index, err := strconv.ParseUint(row[0], 10, 16)
		if err != nil {
			return Inventory{}, fmt.Errorf("%s: index %q is no number", smiProgram, row[0])
		}
		name := fmt.Sprintf("gpu%d", index)
		if row[4] == "Enabled" {
			found.Skipped = append(found.Skipped, name+" is divided (MIG)")
			continue
		}
		mib, _ := strconv.ParseInt(row[2], 10, 32) // "[N/A]" where memory is the machine's: not known
		found.Devices = append(found.Devices, berth.Device{Name: name, Type: deviceType(row[1]), MemoryBytes: mib << 20, NUMANode: numaNode(sys, row[3])})
		if CheckUUID(row[5]) == nil { // else "[N/A]": not known
			found.UUIDs[name] = row[5]
		}
	}
	slices.SortFunc(found.Devices, func(a, b berth.Device) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// families stand before a model's number and belong to its name.
var families = []string{"rtx", "gtx"}

// deviceType is the model of a product, as people ask for it: "h100" of "NVIDIA H100
// 80GB HBM3", "a100" of "NVIDIA A100-SXM4-80GB", "rtx-4090" of "NVIDIA GeForce RTX
// 4090". How much memory it has, and how it is plugged in, is no part of it.
func deviceType(product string) string {
	words := strings.FieldsFunc(strings.ToLower(product), func(r rune) bool { return r == ' ' || r == '-' || r == '_' })
	for i, w := range words {
		if !strings.ContainsAny(w, "0123456789") || berth.CheckID("type", w) != nil {
			continue
		}
		if i > 0 && slices.Contains(families, words[i-1]) {
			return words[i-1] + "-" + w
		}
		return w
	}
	return "gpu"
}

// numaNode is the node that a PCI device is attached to; nil: it is not known.
func numaNode(sys fs.FS, bus string) *int64 {
	domain, rest, ok := strings.Cut(strings.ToLower(bus), ":")
	if !ok || len(domain) < 4 {
		return nil
	}
	text, err := fs.ReadFile(sys, path.Join("bus/pci/devices", domain[len(domain)-4:]+":"+rest, "numa_node"))
	if err != nil {
		return nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 { // -1: the machine has no nodes
		return nil
	}
	return &n
}
