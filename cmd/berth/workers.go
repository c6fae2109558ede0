package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func workersCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "workers",
		Usage:     "workers, what they have and what is reserved",
		ArgsUsage: "[WORKER...]",
		Flags:     clientFlags(stringFlag("pool", "", "only of this `POOL`"), outputFlag(), boolFlag("wide", "with disk, custom resources, ports, labels, limits enforced, addresses and versions")),
		Action:    listWorkers,
	})
}

func listWorkers(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if err := noFlags(c); err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	all, err := cl.Workers(c.Context)
	if err != nil {
		return err
	}
	if names := c.Args().Slice(); len(names) > 0 {
		known := map[string]bool{}
		for _, w := range all {
			known[w.GetId()] = true
		}
		for _, n := range names {
			if !known[n] {
				return fmt.Errorf("worker %s: not found; berth workers lists them", n)
			}
		}
		all = slices.DeleteFunc(all, func(w *berthv1.Worker) bool { return !slices.Contains(names, w.GetId()) })
	}
	all = slices.DeleteFunc(all, func(w *berthv1.Worker) bool { return c.String("pool") != "" && w.GetPool() != c.String("pool") })
	if asJSON {
		out := jsonList{w: c.App.Writer}
		for _, w := range all {
			if err := out.add(w); err != nil {
				return err
			}
		}
		return out.end()
	}
	if len(all) == 0 {
		tellNoWorkers(c, cl)
	}
	return printWorkers(c.App.Writer, all, c.Bool("wide"))
}

// tellNoWorkers says that there are none, and, of a pool, whether there is one of that name.
func tellNoWorkers(c *cli.Context, cl *client.Client) {
	pool := c.String("pool")
	if pool == "" { // those that are named are there
		tellNone(c, "no workers; berth worker starts one")
		return
	}
	text := "no such worker of pool " + pool
	if all, err := cl.Pools(c.Context); err == nil && unknownPool(all, pool) != "" {
		text = unknownPool(all, pool)
	}
	tellNone(c, text)
}

// workersTable is what is told of workers; of what none has, there is no column.
type workersTable struct {
	out                         io.Writer
	wide, spot, devices, images bool
	disk, custom, ports         bool // of which a wide one tells
	now                         time.Time
}

func printWorkers(w io.Writer, all []*berthv1.Worker, wide bool) error {
	x := workersTable{out: w, wide: wide, now: time.Now()}
	x.spot = slices.ContainsFunc(all, (*berthv1.Worker).GetSpot)
	x.images = slices.ContainsFunc(all, (*berthv1.Worker).GetImages)
	for _, w := range all {
		has := w.GetCapacity()
		x.devices = x.devices || len(has.GetDevices()) > 0
		x.disk = x.disk || wide && has.GetDiskBytes() > 0
		x.custom = x.custom || wide && len(has.GetCustom()) > 0
		x.ports = x.ports || wide && has.GetPorts() != nil
	}
	t := table{paint: painter(w)}
	if !wide { // a wide one is longer than any line
		t.words = "NOTE"
	}
	t.add(x.head()...)
	for _, w := range all {
		t.add(x.row(w)...)
	}
	return t.write(w)
}

func (x *workersTable) head() []string {
	head := []string{"WORKER", "STATE", "POOL"}
	if x.spot {
		head = append(head, "SPOT")
	}
	head = append(head, "RUNS", "CPU", "MEMORY")
	if x.disk {
		head = append(head, "DISK")
	}
	head = append(head, "DEVICES")
	if x.devices {
		head = append(head, "GPUS")
	}
	if x.custom {
		head = append(head, "CUSTOM")
	}
	if x.ports {
		head = append(head, "PORTS")
	}
	head = append(head, "AGE", "NOTE")
	if !x.wide {
		return head
	}
	head = append(head, "LABELS", "TAINTS", "WARM KEYS")
	if x.images {
		head = append(head, "IMAGES")
	}
	return append(head, "ENFORCES", "LOGS AT", "HOST", "AGENT")
}

func (x *workersTable) row(w *berthv1.Worker) []string {
	row := []string{w.GetId(), workerState(w), w.GetPool()}
	if x.spot {
		row = append(row, spotText(w))
	}
	row = append(row, strconv.FormatInt(w.GetCount(), 10),
		cores(w.GetReserved().GetCpuMilli())+"/"+cores(w.GetCapacity().GetCpuMilli()),
		bytesOf(w.GetReserved().GetMemoryBytes())+"/"+bytesOf(w.GetCapacity().GetMemoryBytes()))
	if x.disk {
		row = append(row, bytesOf(w.GetReserved().GetDiskBytes())+"/"+bytesOf(w.GetCapacity().GetDiskBytes()))
	}
	row = append(row, devicesText(w))
	if x.devices {
		row = append(row, typesText(w))
	}
	if x.custom {
		row = append(row, customText(w))
	}
	if x.ports {
		row = append(row, portsText(w))
	}
	note := x.note(w)
	row = append(row, age(w.GetStartedAt(), x.now))
	if !x.wide {
		return append(row, oneLine(note))
	}
	row = append(row, fit(x.out, note, 60), labelsText(w.GetLabels()), taintsText(w), orDash(fit(x.out, strings.Join(w.GetWarmKeys(), ","), 60)))
	if x.images {
		row = append(row, fit(x.out, imagesText(w), 60))
	}
	return append(row, orDash(strings.Join(w.GetEnforces(), ",")), orDash(w.GetAddress()), orDash(w.GetHostname()), orDash(w.GetAgent()))
}

// note is what there is to say of a worker, and its taints, where no column tells of them: what they keep
// off would look as if it could run there.
func (x *workersTable) note(w *berthv1.Worker) string {
	text := workerNote(w, x.now)
	if taints := taintsText(w); !x.wide && taints != "-" {
		text = strings.TrimPrefix(text+"; tainted: "+taints, "; ")
	}
	return text
}

func spotText(w *berthv1.Worker) string {
	if w.GetSpot() {
		return "yes"
	}
	return "-"
}

// imagesText is the images that a worker holds: "any" where it takes images, and holds none.
func imagesText(w *berthv1.Worker) string {
	switch {
	case !w.GetImages():
		return "-"
	case len(w.GetWarmImages()) == 0:
		return "any"
	}
	return strings.Join(w.GetWarmImages(), ",")
}

func devicesText(w *berthv1.Worker) string {
	n := len(w.GetCapacity().GetDevices())
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", len(w.GetReserved().GetDevices()), n)
}

// typesText is how many devices of which types a worker has: "4 a100 + 2 t4".
func typesText(w *berthv1.Worker) string {
	count := map[string]int{}
	for _, d := range w.GetCapacity().GetDevices() {
		count[d.GetType()]++
	}
	var out []string
	for _, kind := range sortedKeys(count) {
		out = append(out, fmt.Sprintf("%d %s", count[kind], kind))
	}
	return orDash(strings.Join(out, " + "))
}

// customText is what is reserved of each of a worker's custom resources, and what it has: "licence 1/4".
func customText(w *berthv1.Worker) string {
	has, taken := w.GetCapacity().GetCustom(), w.GetReserved().GetCustom()
	var out []string
	for _, name := range sortedKeys(has) {
		out = append(out, fmt.Sprintf("%s %d/%d", name, taken[name], has[name]))
	}
	return orDash(strings.Join(out, ", "))
}

// portsText is how many of a worker's ports are taken, and which they are: "2 of 30000-32767".
func portsText(w *berthv1.Worker) string {
	has := w.GetCapacity().GetPorts()
	if has == nil {
		return "-"
	}
	return fmt.Sprintf("%d of %d-%d", len(w.GetReserved().GetPorts()), has.GetFirst(), has.GetLast())
}

// workerState shows how far a worker is emptied: so many are gone, of so many.
func workerState(w *berthv1.Worker) string {
	if begun := max(w.GetBegunWith(), w.GetCount()); w.GetDrain() && w.GetState() != "lost" && begun > 0 {
		return fmt.Sprintf("%s %d/%d", w.GetState(), begun-w.GetCount(), begun)
	}
	if w.GetBrakedUntil() != nil {
		return w.GetState() + " (braked)"
	}
	return w.GetState()
}

func workerNote(w *berthv1.Worker, now time.Time) string {
	switch w.GetState() {
	case "suspended":
		return fmt.Sprintf("%d starts failed in a row; again in %s", w.GetStartFailures(), short(w.GetSuspendedUntil().AsTime().Sub(now)))
	case "lost":
		if w.GetBrakedUntil() != nil {
			return "gone for " + age(w.GetLostSince(), now) + " with many others; nothing is moved for " + short(w.GetBrakedUntil().AsTime().Sub(now)) + ": berth brake"
		}
		if w.GetLostSince() != nil {
			return "gone for " + age(w.GetLostSince(), now) + "; what may run there is waited for"
		}
	case "draining", "removing":
		if w.GetCount() > 0 || w.GetRemove() {
			return strings.TrimSuffix(progressOf(w, now)+"; "+w.GetMessage(), "; ")
		}
	}
	return w.GetMessage()
}

func labelsText(m map[string]string) string {
	var out []string
	for _, k := range sortedKeys(m) {
		out = append(out, k+"="+m[k])
	}
	return orDash(strings.Join(out, ","))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
