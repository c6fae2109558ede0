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

// A case is a file testdata/TOPIC/NAME.txtar: a title, prose, a fleet (state), what
// happens in its order (requests), and the decisions (plan). A line of state or
// requests is a name and settings name=value; see setWorker for those of workers,
// setRequest for requests, and run.step for what else may happen.
type caseFile struct {
	path, topic, title, prose string
	state, requests, plan     string
}

// caseFiles is all cases under a folder, in the order of their paths.
func caseFiles(t *testing.T, folder string) (out []caseFile) {
	t.Helper()
	paths, err := filepath.Glob(folder + "/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := caseFile{path: path, topic: filepath.Base(filepath.Dir(path))}
		head, rest, found := strings.Cut(string(b), "-- state --\n")
		state, rest, cut := strings.Cut(rest, "-- requests --\n")
		requests, plan, ok := strings.Cut(rest, "-- plan --\n")
		if !ok || !found || !cut {
			t.Fatalf("%s: want the sections state, requests and plan, in that order", path)
		}
		title, prose, titled := strings.Cut(head, "\n\n")
		if !titled || strings.Contains(title, "\n") || strings.TrimSpace(prose) == "" {
			t.Fatalf("%s: want a title, an empty line and prose", path)
		}
		c.title, c.prose, c.state, c.requests, c.plan = title, strings.TrimSpace(prose), state, requests, plan
		out = append(out, c)
	}
	return out
}

func (c *caseFile) text(plan string) string {
	return fmt.Sprintf("%s\n\n%s\n-- state --\n%s-- requests --\n%s-- plan --\n%s", c.title, c.prose, c.state, c.requests, plan)
}

func TestCases(t *testing.T) {
	for _, c := range caseFiles(t, "testdata") {
		t.Run(c.topic+"/"+strings.TrimSuffix(filepath.Base(c.path), ".txtar"), func(t *testing.T) {
			got := c.decide(t)
			if *update {
				if err := os.WriteFile(c.path, []byte(c.text(got)), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(c.plan, got); diff != "" {
				t.Errorf("plan (-want +got); after review, go test ./scheduler -update:\n%s", diff)
			}
		})
	}
}

func (c *caseFile) decide(t *testing.T) string {
	r := &run{t: t, fleet: scheduler.NewFleet(), placed: make(map[berth.RequestID]placedAt), queued: queued{shares: scheduler.NewShares()}}
	for line := range strings.Lines(c.state) {
		words := strings.Fields(line)
		if words[0] == "pool" {
			setPool(t, r.fleet, words[1:])
			continue
		}
		r.put(worker(words[0], 0, 0), words[1:])
	}
	for line := range strings.Lines(c.requests) {
		r.step(strings.Fields(line))
	}
	return r.out.String()
}

// setPool sets a pool: its name, its strategy, and any weights, SCORER=N.
func setPool(t *testing.T, f *scheduler.Fleet, words []string) {
	p := berth.Pool{Strategy: berth.Strategy(words[1]), Weights: berth.Weights{}}
	for _, word := range words[2:] {
		name, n, _ := strings.Cut(word, "=")
		p.Weights[berth.Scorer(name)] = number(t, n)
	}
	if err := p.Weights.Validate(); err != nil {
		t.Fatalf("no case shows what is refused: %v", err)
	}
	f.Set(berth.PoolID(words[0]), &p)
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
	case "spot": // yes or no, as a registration with the labels before it is seated
		rec := berth.Worker{Pool: w.Pool, Labels: w.Labels, Spot: value == "yes"}
		w.Labels = scheduler.Seat(w.ID, &scheduler.Records{Worker: &rec}).Labels
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
			kind, link, _ := strings.Cut(kind, "+")       // gpu0:h100+rack7, its link domain
			kind, memory, sized := strings.Cut(kind, "/") // gpu0:h100/80, of GiB
			device := berth.Device{Name: n, Type: kind, Link: link}
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
	case "warm": // x,y
		w.Warm = strings.Split(value, ",")
	case "images": // a,b; or none that is there
		w.Images, w.Holds = true, nil
		if value != "none" {
			w.Holds = strings.Split(value, ",")
		}
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
	case "probing":
		w.Probing = true
	case "hold": // for a group
		w.Held = true
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
	case "image":
		c.Request.Image = value
	case "own":
		c.Own = true
	case "limit": // of its run, in seconds
		c.Request.RunLimitMS = number(t, value) * 1000
	case "tenant":
		c.Request.Tenant = berth.TenantID(value)
	case "priority":
		c.Priority = int32(number(t, value))
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
		amount, link, _ := strings.Cut(amount, "+") // any:2x1000+linked, any:1x1000+link:rack7
		count, milli, _ := strings.Cut(amount, "x")
		milli, memory, sized := strings.Cut(milli, "/") // any:1x500/40
		dev := berth.DeviceDemand{Count: number(t, count), Milli: number(t, milli)}
		if sized {
			dev.MemoryBytes = number(t, memory) << 30
		}
		if name, of := strings.CutPrefix(link, "link:"); of {
			dev.Link = name
		} else {
			dev.Linked = link == "linked"
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
	case "custom": // licence:2
		custom, amount, _ := strings.Cut(value, ":")
		q.Custom = map[string]int64{custom: number(t, amount)}
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
