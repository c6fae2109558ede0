package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

func planCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "plan",
		Usage: "what would happen: to new requests and groups, with other workers, after a drain; changes nothing",
		Description: "Tells of what waits, of what would have to move, and of the requests and groups of -f, where each would go, or why it\n" +
			"would wait (its tenant's quota, for one), in the order in which that is decided; and who would have to make room for it.\n" +
			"Exit 3 when one would wait.\n\n" +
			"What -f asks for is looked at all at once, with what waits: by tenants' shares and priorities; of equal ones a group is older than what\n" +
			"waits alone. berth submit -f of the same file may have other outcomes where not all fits: a daemon tries each group as it comes,\n" +
			"and then places of the others what fits as they stand in the file (docs/snapshot.md).\n\n" +
			"A SHAPE is a worker, whose like is added, or amounts: cpu=8,memory=32GiB,disk=1TB,pool=batch,label.zone=a,\n" +
			"device.h100=8,custom.licence=2,ports=20000-20999. Many of it: 3xSHAPE. They are new-1, new-2 ...; of several --add, those of the second are new-2-1, new-2-2 ...",
		Flags: clientFlags(
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "`FILE` of requests, as for submit; - is standard input", EnvVars: envOf("file")},
			stringFlag("snapshot", "", "`FILE` that berth snapshot wrote; - is standard input (default: the store as it is now)"),
			listFlag("cordon", "if `WORKERS` were cordoned"),
			listFlag("uncordon", "if `WORKERS` were not cordoned, drained or removed any more"),
			listFlag("drain", "if `WORKERS` were drained"),
			listFlag("remove", "if `WORKERS` were gone"),
			listFlag("add", "if workers of a `SHAPE` came, empty: 3xSHAPE, as 3xw1 (like worker w1) or 2xcpu=8,memory=32GiB,device.h100=8; what it leaves out they have none of"),
			outputFlag(),
		),
		Action: plan,
	})
}

func plan(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	change, err := changeOf(c)
	if err != nil {
		return err
	}
	s, err := snapshotFrom(c, c.String("snapshot"), nil) // whoever runs may have to make room
	if err != nil {
		return err
	}
	if s.Policy != scheduler.PolicyVersion {
		fmt.Fprintf(c.App.ErrWriter, "berth: warning: the snapshot is of a program that places by policy %s; this one plans by policy %s\n", s.Policy, scheduler.PolicyVersion)
	}
	outcomes, err := s.Forecast(change)
	if err != nil {
		return err
	}
	if asJSON {
		err = printForecast(c.App.Writer, s, outcomes)
	} else {
		err = tellForecast(c.App.Writer, s, outcomes)
	}
	if err == nil && waiting(outcomes) > 0 {
		err = &exitError{code: exitNotPlaced}
	}
	return err
}

func changeOf(c *cli.Context) (*snapshot.Change, error) {
	change := &snapshot.Change{}
	for flag, to := range map[string]*[]berth.WorkerID{
		"cordon": &change.Cordon, "uncordon": &change.Uncordon, "drain": &change.Drain, "remove": &change.Remove,
	} {
		for _, id := range splitCommas(c.StringSlice(flag)) {
			*to = append(*to, berth.WorkerID(id))
		}
	}
	for _, text := range c.StringSlice("add") {
		if text == "" && !given(c, "add") { // a variable that is empty says nothing
			continue
		}
		a, err := additionOf(text)
		if err != nil {
			return nil, err
		}
		change.Add = append(change.Add, a)
	}
	for _, name := range c.StringSlice("file") {
		requests, err := readManifest(name, c.App.Reader)
		if err != nil {
			return nil, &exitError{code: exitUsage, err: err}
		}
		for _, r := range requests {
			change.Requests = append(change.Requests, wire.ToRequest(r))
		}
	}
	if slices.Contains(c.StringSlice("file"), "-") && c.String("snapshot") == "-" {
		return nil, usage("plan: standard input cannot be both the requests and the snapshot")
	}
	return change, nil
}

// shapeBound is what --add takes.
const shapeBound = "a worker, or cpu=8,memory=32GiB,pool=batch,label.zone=a,device.h100=8; many of it: 3xSHAPE"

var manyOf = regexp.MustCompile(`^([0-9]{1,6})x(.+)$`)

// additionOf reads [COUNTx]SHAPE.
func additionOf(text string) (snapshot.Addition, error) {
	a := snapshot.Addition{Count: 1, Pool: berth.DefaultPool}
	shape := text
	if m := manyOf.FindStringSubmatch(text); m != nil {
		a.Count, _ = strconv.Atoi(m[1]) // up to six digits
		shape = m[2]
	}
	if shape == "" {
		return a, &berth.FieldError{Field: "add", Value: text, Problem: "is no shape", Bound: shapeBound}
	}
	if !strings.Contains(shape, "=") {
		a.Like = berth.WorkerID(shape)
		return a, nil
	}
	seen := map[string]bool{}
	for _, part := range strings.Split(shape, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return a, &berth.FieldError{Field: "add", Value: text, Problem: "is no shape", Bound: shapeBound}
		}
		if seen[name] {
			return a, givenTwice("add", name)
		}
		seen[name] = true
		if err := shapePart(&a, name, value); err != nil {
			return a, err
		}
	}
	return a, nil
}

func shapePart(a *snapshot.Addition, name, value string) (err error) {
	group, key, _ := strings.Cut(name, ".")
	if value == "" && group != "label" { // a label may be
		return &berth.FieldError{Field: "add", Value: name + "=", Problem: "says nothing", Bound: shapeBound}
	}
	switch group {
	case "cpu":
		a.Capacity.CPUMilli, err = parseCPU("add.cpu", value)
	case "memory":
		a.Capacity.MemoryBytes, err = parseBytes("add.memory", value, berth.MaxMemoryBytes)
	case "disk":
		a.Capacity.DiskBytes, err = parseBytes("add.disk", value, berth.MaxDiskBytes)
	case "pool":
		a.Pool = berth.PoolID(value)
	case "ports":
		a.Capacity.Ports, err = parsePorts(value)
	case "spot":
		if a.Spot, err = strconv.ParseBool(value); err != nil {
			err = &berth.FieldError{Field: "add.spot", Value: value, Problem: "is no truth", Bound: "true, false"}
		}
	case "images":
		if a.Images, err = strconv.ParseBool(value); err != nil {
			err = &berth.FieldError{Field: "add.images", Value: value, Problem: "is no truth", Bound: "true, false"}
		}
	case "label":
		setIn(&a.Labels, key, value)
	case "custom", "device":
		most := berth.MaxCustom
		if group == "device" {
			most = berth.MaxDevicesPerWorker
		}
		n, convErr := strconv.ParseInt(value, 10, 64)
		if convErr != nil || n < 0 || n > most {
			return &berth.FieldError{Field: "add." + name, Value: value, Problem: "is no number in range", Bound: fmt.Sprintf("0 to %d", most)}
		}
		if group == "custom" {
			setIn(&a.Capacity.Custom, key, n)
			break
		}
		for range n {
			a.Capacity.Devices = append(a.Capacity.Devices, berth.Device{Name: fmt.Sprintf("%s-%03d", key, len(a.Capacity.Devices)), Type: key})
		}
		slices.SortFunc(a.Capacity.Devices, func(x, y berth.Device) int { return strings.Compare(x.Name, y.Name) })
	default:
		err = &berth.FieldError{Field: "add", Value: name, Problem: "is unknown", Bound: "cpu, memory, disk, pool, ports, spot, images, label.NAME, device.TYPE, custom.NAME"}
	}
	return err
}

func setIn[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[key] = value
}

func waiting(outcomes []snapshot.Outcome) (n int) {
	for i := range outcomes {
		if outcomes[i].Verdict != nil {
			n++
		}
	}
	return n
}

// forecast is what plan writes as JSON.
type forecast struct {
	Revision berth.Revision     `json:"revision"`
	Policy   string             `json:"policy"`
	Placed   int                `json:"placed"`
	Waiting  int                `json:"waiting"`
	Outcomes []snapshot.Outcome `json:"outcomes"`
}

func printForecast(w io.Writer, s *snapshot.Snapshot, outcomes []snapshot.Outcome) error {
	n := waiting(outcomes)
	return printPlain(w, forecast{s.Revision, scheduler.PolicyVersion, len(outcomes) - n, n, outcomes})
}

func tellForecast(w io.Writer, s *snapshot.Snapshot, outcomes []snapshot.Outcome) error {
	n := waiting(outcomes)
	_, err := fmt.Fprintf(w, "%s would be placed, and %d would wait, as of revision %d; nothing was changed\n", plural(len(outcomes)-n, "request"), n, s.Revision)
	if err != nil || len(outcomes) == 0 {
		return err
	}
	t := table{words: "OR WHY NOT"}
	t.add("REQUEST", "NOW", "WOULD BE ON", "OR WHY NOT")
	going := groupsGoing(outcomes)
	for i := 0; i < len(outcomes); {
		o := &outcomes[i]
		of := alike(outcomes[i:])
		id := string(o.Request)
		if of > 1 {
			id += fmt.Sprintf(" and %d more of %s", of-1, o.Group)
		}
		t.add(id, nowText(o), orDash(string(o.Worker)), orDash(oneLine(whyNot(o, going))))
		i += of
	}
	return errors.Join(err, t.write(w))
}

// alike is how many of the first outcomes are of one group, which waits whole.
func alike(outcomes []snapshot.Outcome) int {
	first := &outcomes[0]
	n := 1
	for n < len(outcomes) && first.Group != "" && first.Verdict != nil && outcomes[n].Group == first.Group && outcomes[n].Verdict == first.Verdict && outcomes[n].Kind == first.Kind {
		n++
	}
	return n
}

// nowText says what a request is now.
func nowText(o *snapshot.Outcome) string {
	switch {
	case o.For != "":
		return fmt.Sprintf("on %s, makes room for %s", o.From, o.For)
	case o.From != "":
		return "on " + string(o.From)
	}
	return o.Kind
}

// whyNot is why a request would wait, in words, and before what; or "".
func whyNot(o *snapshot.Outcome, going *leavers) string {
	if before := going.before(o); before != "" {
		return before
	}
	if o.Verdict == nil {
		return ""
	}
	spec := &berthv1.Request{Tenant: string(o.Tenant), Pool: string(o.Pool)}
	v, near := wire.Verdict(o.Verdict), wire.Miss(o.Nearest)
	text := waitsFor(&berthv1.ExplainResponse{Status: &berthv1.Status{Spec: spec}, Verdict: v, Nearest: near}, time.Now())
	if isQuota(v) && near != nil { // of a group nothing is near
		return text + "; nor could a registered worker ever take it: " + neverText(v, near)
	}
	return text + after("; ", workersToo(v))
}
