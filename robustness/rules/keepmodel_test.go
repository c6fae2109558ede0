package rules

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// keptStreams is a fleet that is full of small requests of several tenants, each of which is followed by another, among which groups wait.
type keptStreams struct {
	Daemons, Workers, Services int
	Small                      int64 // of a worker's 1000
	Lasts                      []int // seconds of the small ones, by turns
	Of                         []string
	Groups                     []keptGroup
	Restart, Which             int // the step, and the daemon
}

type keptGroup struct {
	Size, At, Runs int
	Of             string
	Priority       int32
	Milli          int64
}

// Groups of several tenants and priorities, among small ones that never cease to come, and services that never end, with one to three daemons of which one
// is restarted: each that has workers on which all ends is placed.
func TestKeep_EachHasItsPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := keptStreams{
			Daemons: rapid.IntRange(1, 3).Draw(rt, "daemons"), Workers: rapid.IntRange(3, 7).Draw(rt, "workers"), Small: rapid.SampledFrom([]int64{200, 500, 1000}).Draw(rt, "small"),
			Lasts: rapid.SliceOfN(rapid.IntRange(1, 40), 1, 5).Draw(rt, "lasts"), Of: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "z"}), 1, 3).Draw(rt, "of"),
			Restart: rapid.IntRange(0, 100).Draw(rt, "restart"),
		}
		k.Which = rapid.IntRange(0, k.Daemons-1).Draw(rt, "which")
		k.Services = rapid.IntRange(0, k.Workers-2).Draw(rt, "services")
		for range rapid.IntRange(1, 4).Draw(rt, "groups") {
			k.Groups = append(k.Groups, keptGroup{
				Size: rapid.IntRange(1, k.Workers).Draw(rt, "size"), At: rapid.IntRange(0, 100).Draw(rt, "at"), Runs: rapid.IntRange(1, 60).Draw(rt, "runs"),
				Of: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "tenant"), Priority: rapid.SampledFrom([]int32{0, 0, 5, 9}).Draw(rt, "priority"),
				Milli: rapid.SampledFrom([]int64{1000, 1000, 600}).Draw(rt, "milli"),
			})
		}
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = k.play(t) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// keptPlay is a run of such a fleet.
type keptPlay struct {
	*keptStreams
	m     *modelled
	sent  int
	ends  map[string]time.Time
	waits map[int]int // since which step
}

func (k *keptStreams) play(t *testing.T) (wrong string) {
	ctx, cancel := context.WithCancel(t.Context())
	m := newModelled(ctx, t)
	defer m.expire(cancel)
	var kills []func()
	defer func() { endAll(kills) }()
	for i := range k.Workers {
		_, kill := m.lives(berth.WorkerID(fmt.Sprint("w", i)))
		kills = append(kills, kill)
	}
	for i := range k.Daemons {
		m.ds, m.stops = append(m.ds, nil), append(m.stops, nil)
		m.begin(i)
	}
	m.passes(time.Second)
	for i := range k.Services {
		id := fmt.Sprint("service", i)
		m.run(m.ds[0], id, sizedOf("s", 1000, 0))
		m.passes(time.Second)
		m.runs(m.whereIs(id), id)
	}
	p := keptPlay{keptStreams: k, m: m, ends: make(map[string]time.Time), waits: make(map[int]int)}
	for range int(1000/k.Small)*(k.Workers-k.Services) + 6 {
		p.small()
	}
	for step := 0; (step < 102 || len(p.waits) > 0) && wrong == ""; step++ {
		wrong = p.step(step)
	}
	for _, stop := range m.stops {
		stop()
	}
	return wrong
}

func (p *keptPlay) small() {
	p.m.run(p.m.ds[p.sent%p.Daemons], fmt.Sprintf("x-%04d", p.sent), sizedOf(berth.TenantID(p.Of[p.sent%len(p.Of)]), p.Small, 0))
	p.sent++
}

func (p *keptPlay) step(step int) (wrong string) {
	m := p.m
	if step == p.Restart {
		m.stops[p.Which]()
		m.begin(p.Which)
	}
	for i, g := range p.Groups {
		if g.At != step {
			continue
		}
		r := m.whole(fmt.Sprint("g", i), int64(g.Size))
		r.Tenant, r.Priority, r.Resources.CPUMilli = berth.TenantID(g.Of), g.Priority, g.Milli
		m.submitGroup(m.ds[i%p.Daemons], r)
		if g.Size <= p.Workers-p.Services {
			p.waits[i] = step
		}
	}
	m.passes(time.Second)
	for _, key := range m.held() {
		w, id, _ := strings.Cut(key, "/")
		if at, known := p.ends[id]; !known {
			p.ends[id] = time.Now().Add(p.lasts(id))
		} else if time.Now().After(at) {
			m.ends(w, id)
			delete(p.ends, id)
			if strings.HasPrefix(id, "x-") {
				p.small()
			}
		}
	}
	for i, since := range p.waits {
		if step-since > 2400 {
			wrong = fmt.Sprintf("g%d waits for %d s: %+v: held %v, kept %q", i, step-since, *p.keptStreams, m.held(), m.kept())
		}
	}
	return wrong
}

// lasts is for how long what has just got its place runs.
func (p *keptPlay) lasts(id string) time.Duration {
	var g, member int
	if _, err := fmt.Sscanf(id, "g%d.%d", &g, &member); err == nil {
		delete(p.waits, g)
		return time.Duration(p.Groups[g].Runs) * time.Second
	}
	if strings.HasPrefix(id, "service") {
		return 24 * time.Hour
	}
	return time.Duration(p.Lasts[len(p.ends)%len(p.Lasts)]) * time.Second
}
