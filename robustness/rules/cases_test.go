package rules

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

var update = flag.Bool("update", false, "rewrite what comes of the cases in testdata")

// A case is a file testdata/TOPIC/NAME.txtar: a title, prose, workers and quotas (state), what
// happens in its order (requests), and what comes of each (plan). They are cases as those of the
// scheduler are, of what a daemon decides beyond where a request fits; a daemon plays them, on a
// store in memory, and the invariants are checked at every revision.
func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, ok := strings.Cut(string(text), "-- state --\n")
		state, rest, ok2 := strings.Cut(rest, "-- requests --\n")
		steps, want, ok3 := strings.Cut(rest, "-- plan --\n")
		if !ok || !ok2 || !ok3 {
			t.Fatalf("%s: want the sections state, requests and plan, in that order", path)
		}
		name := filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".txtar")
		bubbleSub(t, name, func(r *rig) {
			p := r.play(state, steps)
			got := p.out.String()
			if *update {
				file := fmt.Sprintf("%s-- state --\n%s-- requests --\n%s-- plan --\n%s", head, state, steps, got)
				r.ok(os.WriteFile(path, []byte(file), 0o600))
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				r.t.Errorf("plan (-want +got); after review, go test ./robustness/rules -run TestCases -update:\n%s", diff)
			}
		})
	}
}

// play is a case that is played.
type play struct {
	*rig
	d     *daemon.Daemon
	out   strings.Builder
	stand map[string]string // of each request and quota, as it was told last
	ids   []string
}

func (r *rig) play(state, steps string) *play {
	checked := r.checked()
	p := &play{rig: r, stand: map[string]string{}}
	var end func()
	p.d, end = r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
	for line := range strings.Lines(state) {
		p.set(strings.Fields(line))
	}
	p.tell()
	p.out.Reset()
	for line := range strings.Lines(steps) {
		fmt.Fprintf(&p.out, "> %s", line)
		p.step(strings.Fields(line))
		p.passes(200 * time.Millisecond)
		p.tell()
	}
	end()
	checked()
	return p
}

// set plays a line of the state: "quota TENANT cpu=N ...", without amounts no limits, of which so much is guaranteed
// ("guaranteed=N", of cpu) and reclaimed after so many seconds ("reclaim=N"); or a worker, with its "rack" where it has one.
func (p *play) set(words []string) {
	if words[0] == "quota" {
		change := daemon.QuotaChange{Tenant: berth.TenantID(words[1]), Pool: "default", All: true, Set: berth.Amounts{}}
		for _, word := range words[2:] {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "guaranteed":
				change.Guarantee = berth.Amounts{berth.DimensionCPU: p.number(value)}
				continue
			case "reclaim":
				after := 1000 * p.number(value)
				change.ReclaimAfterMS = &after
				continue
			case "cpu":
				name = string(berth.DimensionCPU)
			}
			change.Set[berth.Dimension(name)] = p.number(value)
		}
		_, err := p.d.SetQuota(p.t.Context(), change)
		p.ok(err)
		return
	}
	lease, err := p.KeepLease(p.t.Context(), time.Hour)
	p.ok(err)
	reg := p.registration(lease)
	reg.Capacity = berth.Capacity{}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "cpu":
			reg.Capacity.CPUMilli = p.number(value)
		case "devices": // g0:t4,g1:h100
			for _, d := range strings.Split(value, ",") {
				name, kind, _ := strings.Cut(d, ":")
				reg.Capacity.Devices = append(reg.Capacity.Devices, berth.Device{Name: name, Type: kind})
			}
		case "rack":
			reg.Labels = map[string]string{"rack": value}
		default:
			p.t.Fatalf("unknown setting %s", name)
		}
	}
	_, err = p.RegisterWorker(p.t.Context(), berth.WorkerID(words[0]), reg)
	p.ok(err)
	p.passes(100 * time.Millisecond)
}

// step plays what happens: a request is submitted; it "runs", "ends" by itself or as it was
// told, "fails" by itself, cannot be started ("unstartable"), or is cancelled ("cancel", "cancel-group"); seconds pass ("passes"); a worker comes ("worker"), is cordoned or open ("cordon", "uncordon");
// a quota is set.
func (p *play) step(words []string) {
	switch words[0] {
	case "worker":
		p.set(words[1:])
	case "quota":
		p.set(words)
	case "cordon", "uncordon":
		_, err := p.d.SetIntent(p.t.Context(), berth.WorkerID(words[1]), daemon.Wish{Cordon: words[0] == "cordon"})
		p.ok(err)
	case "runs", "ends":
		for _, id := range words[1:] {
			w := p.workerOf(id)
			if words[0] == "runs" {
				p.runs(w, id)
				continue
			}
			p.finishes(w, id)
		}
	case "fails", "unstartable":
		exit := berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()}
		if words[0] == "unstartable" {
			exit = berth.Exit{Kind: berth.ExitStartFailed, Message: "no such program", At: exit.At}
		}
		for _, id := range words[1:] {
			p.reported(p.workerOf(id), id, berth.StateExited, &exit)
		}
	case "passes": // so many seconds
		p.passes(time.Duration(p.number(words[1])) * time.Second)
	case "cancel-group":
		_, err := p.d.CancelGroup(p.t.Context(), berth.GroupID(words[1]), "")
		p.ok(err)
	case "cancel":
		_, err := p.d.Cancel(p.t.Context(), berth.RequestID(words[1]), "")
		p.ok(err)
	default:
		p.ask(words[0], words[1:])
	}
}

// finishes ends a container: by its stop order, if it has one, or well.
func (p *play) finishes(w, id string) {
	if a, _ := p.allocation(w, id); a != nil && a.Stop != nil {
		p.exits(w, id)
		return
	}
	p.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
}

func (p *play) workerOf(id string) string {
	s, err := p.d.Get(p.t.Context(), berth.RequestID(id))
	p.ok(err)
	if s.Worker == "" {
		p.t.Fatalf("%s is on no worker", id)
	}
	return string(s.Worker)
}

// ask submits a request. Times are in seconds: it waits for so long at most ("pending"), runs for so long
// ("run"), has so long to stop ("grace"), and waits for so long before it is tried again ("backoff").
func (p *play) ask(id string, settings []string) {
	r := berth.Request{ID: berth.RequestID(id), Command: []string{"true"}, StartTimeoutMS: 3_600_000}
	for _, word := range settings {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "cpu":
			r.Resources.CPUMilli = p.number(value)
		case "devices": // t4|h100, or any: one whole one
			dev := berth.DeviceDemand{Count: 1, Milli: berth.WholeDevice}
			if value != "any" {
				dev.Types = strings.Split(value, "|")
			}
			r.Resources.Devices = append(r.Resources.Devices, dev)
		case "priority":
			r.Priority = int32(p.number(value))
		case "tenant":
			r.Tenant = berth.TenantID(value)
		case "attempts":
			r.Retry.MaxAttempts = p.number(value)
		case "backoff":
			r.Retry.BackoffMS = 1000 * p.number(value)
		case "on": // failure|oom
			for _, end := range strings.Split(value, "|") {
				r.Retry.On = append(r.Retry.On, berth.RetryEnd(end))
			}
		case "pending":
			r.PendingLimitMS = 1000 * p.number(value)
		case "run":
			r.RunLimitMS = 1000 * p.number(value)
		case "grace":
			r.StopTimeoutMS = 1000 * p.number(value)
		case "app":
			r.Labels = map[string]string{"app": value}
		case "apart": // from those of that app, on other workers
			r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: value}}}
		case "spread": // those of its app, over racks
			r.Spread = []berth.Spread{{Requests: berth.RequestLabel{Label: "app", Value: r.Labels["app"]}, Topology: value}}
		case "lower":
			r.Preemption = berth.PreemptionLower
		case "group": // of so many, or of so many of which so many begin together: 4/2
			size, least, some := strings.Cut(value, "/")
			r.Group = &berth.Membership{Size: p.number(size)}
			if r.Group.MinCount = r.Group.Size; some {
				r.Group.MinCount = p.number(least)
			}
		default:
			p.t.Fatalf("unknown setting %s", name)
		}
	}
	r = r.Normalize()
	if r.Group != nil {
		p.submitGroup(p.d, r)
		for i := range r.Group.Size {
			p.ids = append(p.ids, fmt.Sprintf("%s.%d", id, i))
		}
		return
	}
	res, err := p.d.Submit(p.t.Context(), []berth.Request{r})
	p.ok(err)
	p.ok(res[0].Err)
	p.ids = append(p.ids, id)
}

func (p *play) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	p.ok(err)
	return n
}

// tell writes what has changed of each request, and of each quota.
func (p *play) tell() {
	for _, id := range p.ids {
		p.changed(id, p.standing(id))
	}
	all, err := p.d.Quotas(p.t.Context())
	p.ok(err)
	for _, q := range all {
		var parts []string
		for _, d := range slices.Sorted(maps.Keys(q.Limits)) {
			parts = append(parts, fmt.Sprintf("%s %d of %d", d, q.Used[d], q.Limits[d]))
		}
		p.changed("quota "+string(q.Tenant)+":", strings.Join(parts, ", "))
	}
}

func (p *play) changed(name, now string) {
	if p.stand[name] != now {
		p.stand[name] = now
		fmt.Fprintf(&p.out, "  %s %s\n", name, now)
	}
}

func (p *play) standing(id string) string {
	e, err := p.d.Explain(p.t.Context(), berth.RequestID(id))
	p.ok(err)
	s := e.Status
	if s.State != berth.StatePending {
		return p.placed(id, &s)
	}
	if e.Verdict == nil || len(e.Verdict.Reasons) == 0 {
		return "waits, and could be placed"
	}
	why := e.Verdict.Reasons[0]
	text := ""
	switch why.Code {
	case berth.ReasonClaim:
		if why.Detail == "" { // a group
			return fmt.Sprintf("waits for %d to end on %d workers", why.Want, why.Workers)
		}
		return fmt.Sprintf("waits for %d to end on %s", why.Want, why.Detail)
	case berth.ReasonQuota:
		text = fmt.Sprintf("waits for its quota: wants %d of %s, %d left of %d", why.Want, why.Detail, why.Best, why.Total)
	default:
		text = "waits: " + why.String()
	}
	if e.Verdict.NeverFits {
		text += ", and never fits"
	}
	return text
}

func (p *play) placed(id string, s *daemon.Status) string {
	if s.Worker == "" || s.State.Final() {
		return string(s.State)
	}
	text := "on " + string(s.Worker)
	a, _ := p.allocation(string(s.Worker), id)
	if a == nil {
		return text
	}
	for _, d := range a.Share.Devices {
		text += " " + d.Name
	}
	if a.Stop != nil {
		text += ", told to stop (" + string(a.Stop.Reason) + ")"
		if a.Stop.Message != "" {
			text += ": " + a.Stop.Message
		}
	}
	return text
}
