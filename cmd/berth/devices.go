package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
	return stringFlag("devices", "auto", "auto: what nvidia-smi finds, where it is installed; none; or a YAML or JSON `FILE`: devices with name, type, memory_bytes, numa_node, link and uuid, in a list or one behind another")
}

// What devices that are found are linked by.
const (
	byNVLink = "nvlink"
	byNUMA   = "numa"
)

func linkByFlag() cli.Flag {
	return stringFlag("link-by", byNVLink, "`WHAT` makes a link domain of the devices that are found: nvlink, or numa, a NUMA node; those of a FILE are linked as it says")
}

func devicesCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "devices", Usage: "the devices that a worker on this machine would offer",
		Description: "Nothing is registered. With -o json it prints what a FILE of --devices may hold, an object a line.",
		Flags: []cli.Flag{
			inventoryFlag(), linkByFlag(), stringFlag("name", "", "`NAME` of the worker, by which link domains that are found are named (default: the host's)"), outputFlag(),
		},
		Action: func(c *cli.Context) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			found, err := inventory(c)
			if err != nil {
				return err
			}
			if len(found.Devices) == 0 {
				tellNone(c, "no devices: "+noDevicesText(c.String("devices")))
			}
			return printDevices(c, found, asJSON)
		},
	})
}

func printDevices(c *cli.Context, found worker.Inventory, asJSON bool) error {
	if asJSON {
		return printDeviceLines(c.App.Writer, found)
	}
	t := table{paint: painter(c.App.Writer)}
	t.add("DEVICE", "TYPE", "MEMORY", "NUMA NODE", "LINK", "UUID")
	for _, d := range wire.Capacity(berth.Capacity{Devices: found.Devices}).GetDevices() {
		t.add(d.GetName(), d.GetType(), memoryOf(d), nodeOf(d), cmp.Or(d.GetLink(), "-"), cmp.Or(found.UUIDs[d.GetName()], "-"))
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
func printDeviceLines(w io.Writer, found worker.Inventory) error {
	out := json.NewEncoder(asIs(w))
	for _, d := range found.Devices {
		line := deviceLine{Name: d.Name, Type: d.Type, MemoryBytes: d.MemoryBytes, NUMANode: d.NUMANode, Link: d.Link, UUID: found.UUIDs[d.Name]}
		if err := out.Encode(line); err != nil {
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

// inventory is the devices that the flag says, sorted. Link domains that are found are the
// worker's own; those of a file are called as it says, on several machines alike if it does.
func inventory(c *cli.Context) (worker.Inventory, error) {
	linkBy := c.String("link-by")
	if linkBy != byNVLink && linkBy != byNUMA {
		return worker.Inventory{}, &berth.FieldError{Field: "link-by", Value: linkBy, Problem: "is unknown", Bound: byNVLink + ", " + byNUMA}
	}
	switch from := c.String("devices"); from {
	case "none":
		return worker.Inventory{}, nil
	case "auto":
		return foundDevices(c, linkBy)
	default:
		if linkBy == byNUMA {
			return worker.Inventory{}, fmt.Errorf("%s does not go with a file of devices: each device there has its own link", setBy(c, "link-by"))
		}
		found, err := readDevices(from, c.App.Reader)
		if err != nil {
			return worker.Inventory{}, fmt.Errorf("devices: %w", err)
		}
		return found, nil
	}
}

// foundDevices are those of this machine. Those that are left out are told on the standard
// error, and why nothing is known of links.
func foundDevices(c *cli.Context, linkBy string) (worker.Inventory, error) {
	found, err := worker.Devices(context.WithoutCancel(c.Context))
	if err != nil {
		return worker.Inventory{}, fmt.Errorf("%w; --devices none offers none", err)
	}
	if linkBy == byNUMA {
		found.Unlinked = nil // nothing of NVLink is asked for
		if worker.LinkByNUMA(found.Devices) == 0 && len(found.Devices) > 0 {
			found.Unlinked = errors.New("it is not known on which NUMA node any of them is")
		}
	}
	if len(found.Skipped) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "berth: not offered: %s\n", strings.Join(found.Skipped, ", "))
	}
	if found.Unlinked != nil {
		fmt.Fprintf(c.App.ErrWriter, "berth: the devices are offered as if none were linked: %v\n", found.Unlinked)
	}
	for i := range found.Devices {
		if d := &found.Devices[i]; d.Link != "" {
			d.Link = berth.LinkOf(berth.WorkerID(cmp.Or(c.String("name"), hostName())), d.Link)
		}
	}
	return found, nil
}

// deviceLine is a device as it is written: with the fields of the API.
type deviceLine struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	NUMANode    *int64 `json:"numa_node,omitempty"`
	Link        string `json:"link,omitempty"`
	UUID        string `json:"uuid,omitempty"`
}
