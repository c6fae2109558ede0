package scheduler_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

var update = flag.Bool("update", false, "rewrite the decisions in testdata")

// TestCases runs testdata/*.txtar: prose, a fleet (state), requests in their
// order, and the decisions (plan). A line of state or requests is a name and
// settings name=value; see setWorker for those of workers, setRequest for requests.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			head, want, ok := strings.Cut(string(b), "-- plan --\n")
			_, body, found := strings.Cut(head, "-- state --\n")
			state, requests, cut := strings.Cut(body, "-- requests --\n")
			if !ok || !found || !cut {
				t.Fatal("want the sections state, requests and plan, in that order")
			}
			got := decide(t, state, requests)
			if *update {
				if err := os.WriteFile(path, []byte(head+"-- plan --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("plan (-want +got); after review, go test ./scheduler -update:\n%s", diff)
			}
		})
	}
}

func decide(t *testing.T, state, requests string) string {
	f := scheduler.NewFleet()
	for line := range strings.Lines(state) {
		words := strings.Fields(line)
		if words[0] == "pool" {
			f.SetStrategy(berth.PoolID(words[1]), berth.Strategy(words[2]))
			continue
		}
		w := worker(words[0], 0, 0)
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, "=")
			if name == "holds" { // app:web
				label, of, _ := strings.Cut(value, ":")
				f.Count(w.ID, map[string]string{label: of}, 1)
				continue
			}
			setWorker(t, &w, name, value)
		}
		f.Put(w)
	}
	var out strings.Builder
	for line := range strings.Lines(requests) {
		words := strings.Fields(line)
		c := ask(request(words[0], 0, 0))
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, "=")
			setRequest(t, &c, name, value)
		}
		*c.Request = c.Request.Normalize()
		d := f.Place(c)
		f.Count(d.Worker, c.Request.Labels, 1)
		tell(&out, c.Request.ID, d)
	}
	return out.String()
}

func tell(out *strings.Builder, id berth.RequestID, d scheduler.Decision) {
	if d.Verdict == nil {
		fmt.Fprintf(out, "%s on %s", id, d.Worker)
		if len(d.Share.Ports) > 0 {
			fmt.Fprintf(out, " ports %v", d.Share.Ports)
		}
		for _, dev := range d.Share.Devices {
			fmt.Fprintf(out, " %s:%d", dev.Name, dev.Milli)
		}
		fmt.Fprintln(out)
		return
	}
	fmt.Fprintf(out, "%s blocked, never fits: %t\n", id, d.Verdict.NeverFits)
	for _, r := range d.Verdict.Reasons {
		fmt.Fprintf(out, "  %s%s\n", r, someOf(r.Some))
	}
}

func someOf(names []berth.WorkerID) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" %v", names)
}

func setWorker(t *testing.T, w *scheduler.Worker, name, value string) {
	l := &w.Ledger
	switch name {
	case "pool":
		w.Pool = berth.PoolID(value)
	case "label":
		k, v, _ := strings.Cut(value, ":")
		if w.Labels == nil {
			w.Labels = map[string]string{}
		}
		w.Labels[k] = v
	case "taint", "ordered": // gpu=yes:no_place
		taint, err := berth.ParseTaint(value)
		if err != nil {
			t.Fatal(err)
		}
		if name == "taint" {
			w.Taints = append(w.Taints, taint)
		} else {
			w.Ordered = append(w.Ordered, taint)
		}
	case "ports":
		first, last, _ := strings.Cut(value, "-")
		l.Capacity.Ports = berth.PortRange{First: int32(number(t, first)), Last: int32(number(t, last))}
	case "devices":
		for _, d := range strings.Split(value, ",") {
			n, kind, _ := strings.Cut(d, ":")
			kind, memory, sized := strings.Cut(kind, "/") // gpu0:h100/80, of GiB
			device := berth.Device{Name: n, Type: kind}
			if sized {
				device.MemoryBytes = number(t, memory) << 30
			}
			l.Capacity.Devices = append(l.Capacity.Devices, device)
		}
	case "shares":
		for _, d := range strings.Split(value, ",") {
			n, milli, _ := strings.Cut(d, ":")
			l.Reserved.Devices = append(l.Reserved.Devices, berth.DeviceShare{Name: n, Milli: number(t, milli)})
		}
	case "ill":
		w.Unhealthy = map[string]string{value: "ecc"}
	case "unready":
		w.Ready = false
	case "foreign":
		w.Foreign = true
	case "cordoned":
		w.Cordoned = true
	case "draining":
		w.Cordoned, w.Draining = true, true
	case "removing":
		w.Cordoned, w.Draining, w.Removing = true, true, true
	case "why":
		w.Why = value
	case "suspended":
		w.Suspended = true
	case "used":
		l.Reserved.CPUMilli, l.Count = number(t, value), 1
	case "held":
		l.Held.CPUMilli = number(t, value)
	default:
		setQuantity(t, &l.Capacity.Quantities, name, value)
	}
}

func setRequest(t *testing.T, c *scheduler.Candidate, name, value string) {
	d := &c.Request.Resources
	switch name {
	case "pool":
		c.Request.Pool = berth.PoolID(value)
	case "key":
		c.Request.AffinityKey = value
	case "own":
		c.Own = true
	case "avoid":
		c.Avoid = append(c.Avoid, berth.WorkerID(value))
	case "in", "not_in", "exists", "not_exists", "lt", "le", "gt", "ge", "version": // version=driver:>=535,<560
		k, v, some := strings.Cut(value, ":")
		constraint := berth.Constraint{Label: k, Operator: berth.Operator(name)}
		if some {
			constraint.Values = strings.Split(v, "|")
		}
		c.Request.Constraints = append(c.Request.Constraints, constraint)
	case "tolerates": // gpu=yes:no_place, or gpu:no_place, or gpu, or *
		key, effect, _ := strings.Cut(value, ":")
		key, want, equal := strings.Cut(key, "=")
		toleration := berth.Toleration{Key: strings.TrimSuffix(key, "*"), Operator: berth.TolerateExists, Value: want, Effect: berth.Effect(effect)}
		if equal {
			toleration.Operator = berth.TolerateEqual
		}
		c.Request.Tolerations = append(c.Request.Tolerations, toleration)
	case "label":
		k, v, _ := strings.Cut(value, ":")
		if c.Request.Labels == nil {
			c.Request.Labels = map[string]string{}
		}
		c.Request.Labels[k] = v
	case "near", "apart", "even", "likes", "shuns":
		setRelation(t, c.Request, name, value)
	case "port":
		d.Ports = append(d.Ports, berth.PortDemand{Name: fmt.Sprintf("p%d", len(d.Ports)), Number: int32(number(t, value))})
	case "devices": // h100|a100:2x500, or any:1x1000
		types, amount, _ := strings.Cut(value, ":")
		count, milli, _ := strings.Cut(amount, "x")
		milli, memory, sized := strings.Cut(milli, "/") // any:1x500/40
		dev := berth.DeviceDemand{Count: number(t, count), Milli: number(t, milli)}
		if sized {
			dev.MemoryBytes = number(t, memory) << 30
		}
		if types != "any" {
			dev.Types = strings.Split(types, "|")
		}
		d.Devices = append(d.Devices, dev)
	default:
		setQuantity(t, &d.Quantities, name, value)
	}
}

func setQuantity(t *testing.T, q *berth.Quantities, name, value string) {
	switch name {
	case "cpu":
		q.CPUMilli = number(t, value)
	case "memory":
		q.MemoryBytes = number(t, value)
	case "disk":
		q.DiskBytes = number(t, value)
	case "licence":
		q.Custom = map[string]int64{name: number(t, value)}
	default:
		t.Fatalf("unknown setting %s", name)
	}
}

func number(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
