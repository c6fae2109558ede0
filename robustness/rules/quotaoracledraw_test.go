package rules

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

var (
	oracleTypes   = []string{"h100", "a100", "t4"}
	oracleTenants = []berth.TenantID{"a", "b"}
)

// drawing is what is drawn.
type drawing struct {
	lends bool   // parts of quotas are guaranteed
	alone string // requests alone, or groups alone, by what submits them; with two demands for devices each
	room  bool   // others make room for some, that have one demand or two
}

// amongGroups says whether others make room for requests beside groups, for which nobody does.
func (as drawing) amongGroups() bool { return as.room && as.alone == "" }

// typedScene is who is there at first.
type typedScene struct {
	daemons  int
	machines []machineOf
	quotas   []quotaOf // of each tenant
}

// quotaOf is what a tenant may have, and what of it is guaranteed.
type quotaOf struct{ limits, guaranteed berth.Amounts }

// machineOf is what a worker has.
type machineOf struct {
	cpu     int64
	devices []string // their types
}

// typed is one thing that happens where quotas are of types of devices.
type typed struct {
	kind   string
	tenant berth.TenantID
	by     int // daemon that is asked
	pick   int // which of those that are placed ends, or of those that wait is cancelled

	wants       []berth.DeviceDemand
	cpu         int64
	priority    int32
	presses     bool  // others make room for it
	size, least int64 // of a group; 0: it is a request by itself

	quota quotaOf
	has   machineOf
	soon  bool // the next comes at once
}

// GoString tells it in a line: rapid prints what it has drawn.
func (d typed) GoString() string {
	text := "\n" + d.kind
	switch d.kind {
	case "submit", "group":
		text += fmt.Sprintf(" of %s to d%d: cores %d, priority %d", d.tenant, d.by, d.cpu, d.priority)
		if d.presses {
			text += ", others make room"
		}
		for _, of := range d.wants {
			text += fmt.Sprintf(", %d x %d of %v", of.Count, of.Milli, of.Types)
		}
		if d.size > 0 {
			text += fmt.Sprintf(", %d members, %d at least", d.size, d.least)
		}
	case "end", "cancel":
		text += fmt.Sprintf(" number %d", d.pick)
	case "limit":
		text += fmt.Sprintf(" %s to %v, guaranteed %v", d.tenant, d.quota.limits, d.quota.guaranteed)
	case "worker":
		text += fmt.Sprintf(" %+v", d.has)
	case "restart":
		text += fmt.Sprintf(" d%d", d.by)
	}
	if d.soon {
		text += "; at once:"
	}
	return text
}

// drawScene draws who is there at first.
func drawScene(t *rapid.T, as drawing) typedScene {
	scene := typedScene{
		daemons:  rapid.IntRange(1, 3).Draw(t, "daemons"),
		machines: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) machineOf { return drawMachine(t, as) }), 1, 4).Draw(t, "machines"),
		quotas:   make([]quotaOf, len(oracleTenants)),
	}
	if as.amongGroups() {
		return scene // without quotas: who is asked anew for its quota would be asked for room, too
	}
	for i := range scene.quotas {
		scene.quotas[i] = drawQuota(t, as.lends)
	}
	return scene
}

func drawMachine(t *rapid.T, as drawing) machineOf {
	least, most := 0, 3
	if as.alone != "" {
		least, most = 2, 4
	}
	types := rapid.SliceOfNDistinct(rapid.SampledFrom(oracleTypes), 1, 2, rapid.ID).Draw(t, "types")
	fewest := int64(1)
	if as.room {
		fewest = 4
	}
	return machineOf{
		cpu:     100 * rapid.Int64Range(fewest, 6).Draw(t, "cores"),
		devices: rapid.SliceOfN(rapid.SampledFrom(types), least, most).Draw(t, "devices"),
	}
}

// drawQuota draws the limits of one tenant: of some types, of which 0 forbids one, and sometimes of cores; lends: and what of
// that is guaranteed.
func drawQuota(t *rapid.T, lends bool) quotaOf {
	q := quotaOf{berth.Amounts{}, berth.Amounts{}}
	limit := func(dim berth.Dimension, each int64, most ...int64) {
		n := rapid.SampledFrom(most).Draw(t, string(dim))
		if n < 0 {
			return
		}
		q.limits[dim] = n * each
		if !lends {
			return
		}
		if g := rapid.SampledFrom([]int64{-1, 0, 1, 2, 6}).Draw(t, "guaranteed"); g >= 0 {
			q.guaranteed[dim] = min(g, n) * each
		}
	}
	for _, kind := range oracleTypes {
		limit(berth.DeviceDimension(kind), berth.WholeDevice/2, -1, 0, 1, 2, 2, 3, 4, 6)
	}
	limit(berth.DimensionCPU, 100, -1, -1, 2, 4, 6)
	return q
}

func drawTyped(t *rapid.T, as drawing) typed {
	kinds := []string{"submit", "submit", "submit", "group", "group", "end", "end", "limit", "worker", "restart", "cancel"}
	switch {
	case as.alone != "":
		kinds = []string{as.alone, as.alone, as.alone, "end", "end", "limit", "worker"}
	case as.amongGroups():
		kinds = []string{"submit", "submit", "submit", "group", "group", "end", "cancel", "worker"}
	}
	d := typed{
		kind:   rapid.SampledFrom(kinds).Draw(t, "kind"),
		tenant: rapid.SampledFrom(oracleTenants).Draw(t, "tenant"),
		by:     rapid.IntRange(0, 2).Draw(t, "by"),
		soon:   rapid.Bool().Draw(t, "soon"),
	}
	switch d.kind {
	case "submit", "group":
		d.drawRequest(t, as.alone != "" && (!as.room || rapid.Bool().Draw(t, "two")))
		if as.room {
			d.drawPressing(t)
		}
		if as.amongGroups() && d.kind == "group" { // something is still kept for it when the next comes
			d.soon = rapid.IntRange(0, 3).Draw(t, "at once") > 0
		}
	case "end", "cancel":
		d.pick = rapid.IntRange(0, 9).Draw(t, "pick")
	case "limit":
		d.quota = drawQuota(t, as.lends)
	case "worker":
		d.has = drawMachine(t, as)
	}
	return d
}

// drawRequest draws what a request asks for, or each member of a group: of devices once, or twice.
func (d *typed) drawRequest(t *rapid.T, twice bool) {
	d.wants = []berth.DeviceDemand{drawDemand(t)}
	d.cpu = 100 * rapid.Int64Range(1, 2).Draw(t, "of cores")
	d.priority = rapid.Int32Range(0, 1).Draw(t, "priority")
	if d.kind == "group" {
		d.size = rapid.Int64Range(2, 5).Draw(t, "size")
		d.least = rapid.Int64Range(1, d.size).Draw(t, "least")
	}
	if twice || rapid.IntRange(0, 2).Draw(t, "twice") == 0 {
		d.wants = append(d.wants, drawDemand(t))
	}
	if d.kind != "group" {
		return
	}
	for i := range d.wants {
		if len(d.wants) > 1 && d.wants[i].Milli < berth.WholeDevice {
			d.wants[i].Count = 1 // parts of several devices for one of several demands are not always dealt so that most fit
		}
	}
}

// drawPressing draws one for whom others make room, or who does: of two tenants mostly one and the other, and of whole devices of two types mostly,
// for which there is seldom a place by another choice of types alone.
func (d *typed) drawPressing(t *rapid.T) {
	d.presses, d.cpu = d.kind == "submit" && rapid.Bool().Draw(t, "presses"), 100
	d.priority, d.tenant = rapid.Int32Range(0, 1).Draw(t, "of priority"), oracleTenants[1]
	if d.presses {
		d.priority, d.tenant = d.priority+1, oracleTenants[0]
	}
	for i := range d.wants {
		if d.presses && rapid.IntRange(0, 3).Draw(t, "usual") > 0 {
			d.wants[i].Types = rapid.SliceOfNDistinct(rapid.SampledFrom(oracleTypes), 2, 2, rapid.ID).Draw(t, "of two")
			d.wants[i].Count, d.wants[i].Milli = 1, berth.WholeDevice
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "of the other") == 0 {
		d.tenant = rapid.SampledFrom(oracleTenants).Draw(t, "tenant")
	}
}

func drawDemand(t *rapid.T) berth.DeviceDemand {
	return berth.DeviceDemand{
		Types: rapid.SliceOfNDistinct(rapid.SampledFrom(oracleTypes), 0, 2, rapid.ID).Draw(t, "wanted"),
		Count: rapid.Int64Range(1, 2).Draw(t, "count"),
		Milli: rapid.SampledFrom([]int64{berth.WholeDevice / 2, berth.WholeDevice}).Draw(t, "milli"),
	}
}
