package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/worker"
)

func inventoryFlag() cli.Flag {
	return stringFlag("devices", "auto", "auto: what nvidia-smi finds, where it is installed; none; or a YAML or JSON `FILE`: devices with name, type, memory_bytes, numa_node and link, in a list or one behind another")
}

func devicesCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "devices", Usage: "the devices that a worker on this machine would offer",
		Description: "Nothing is registered. With -o json it prints what a FILE of --devices may hold, an object a line.",
		Flags: []cli.Flag{
			inventoryFlag(), stringFlag("name", "", "`NAME` of the worker, by which link domains that are found are named (default: the host's)"), outputFlag(),
		},
		Action: func(c *cli.Context) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			devices, err := inventory(c)
			if err != nil {
				return err
			}
			if len(devices) == 0 {
				tellNone(c, "no devices: "+noDevicesText(c.String("devices")))
			}
			return printDevices(c, devices, asJSON)
		},
	})
}

func printDevices(c *cli.Context, devices []berth.Device, asJSON bool) error {
	if asJSON {
		return printDeviceLines(c.App.Writer, devices)
	}
	t := table{paint: painter(c.App.Writer)}
	t.add("DEVICE", "TYPE", "MEMORY", "NUMA NODE", "LINK")
	for _, d := range wire.Capacity(berth.Capacity{Devices: devices}).GetDevices() {
		t.add(d.GetName(), d.GetType(), memoryOf(d), nodeOf(d), cmp.Or(d.GetLink(), "-"))
	}
	return t.write(c.App.Writer)
}

// noDevicesText says why there are none.
func noDevicesText(from string) string {
	switch from {
	case "none":
		return "--devices none offers none"
	case "auto":
		return "nvidia-smi is not installed here, or finds none to offer; --devices FILE names others"
	}
	return from + " lists none"
}

// printDeviceLines writes what readDevices reads. Its numbers are numbers: it is no
// message of the API, where those of 64 bits are strings.
func printDeviceLines(w io.Writer, devices []berth.Device) error {
	out := json.NewEncoder(w)
	for _, d := range devices {
		if err := out.Encode(deviceLine(d)); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
	}
	return nil
}

func memoryOf(d *berthv1.Device) string {
	if d.GetMemoryBytes() == 0 {
		return "-"
	}
	return tenthsOf(d.GetMemoryBytes())
}

func nodeOf(d *berthv1.Device) string {
	if d.NumaNode == nil {
		return "-"
	}
	return strconv.FormatInt(d.GetNumaNode(), 10)
}

// inventory is the devices that the flag says, sorted. Those that are left out are
// told on the standard error, and why nothing is known of links. Link domains that are
// found are the worker's own; those of a file are called as it says, on several
// machines alike if it does.
func inventory(c *cli.Context) (devices []berth.Device, err error) {
	switch from := c.String("devices"); from {
	case "none":
		return nil, nil
	case "auto":
		found, err := worker.Devices(context.WithoutCancel(c.Context))
		if err != nil {
			return nil, fmt.Errorf("%w; --devices none offers none", err)
		}
		if len(found.Skipped) > 0 {
			fmt.Fprintf(c.App.ErrWriter, "berth: not offered: %s\n", strings.Join(found.Skipped, ", "))
		}
		if found.Unlinked != nil {
			fmt.Fprintf(c.App.ErrWriter, "berth: the devices are offered as if none were linked: %v\n", found.Unlinked)
		}
		devices = found.Devices
		for i := range devices {
			if devices[i].Link != "" {
				devices[i].Link = berth.LinkOf(berth.WorkerID(cmp.Or(c.String("name"), hostName())), devices[i].Link)
			}
		}
	default:
		if devices, err = readDevices(from, c.App.Reader); err != nil {
			return nil, fmt.Errorf("devices: %w", err)
		}
	}
	return devices, nil
}

// deviceLine is a device as it is written: with the fields of the API.
type deviceLine struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	NUMANode    *int64 `json:"numa_node,omitempty"`
	Link        string `json:"link,omitempty"`
}
