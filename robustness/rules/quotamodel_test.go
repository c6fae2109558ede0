package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

// deed is one thing that happens to tenants with quotas.
type deed struct {
	kind   string
	tenant berth.TenantID
	by     int // daemon that is asked
	amount int64
	soon   bool  // the next comes at once
	first  int32 // its priority
}

func drawDeed(t *rapid.T) deed {
	return deed{
		kind:   rapid.SampledFrom([]string{"submit", "submit", "submit", "submit", "end", "end", "limit", "group", "nowhere", "cancel", "restart"}).Draw(t, "kind"),
		tenant: rapid.SampledFrom([]berth.TenantID{"a", "b"}).Draw(t, "tenant"),
		by:     rapid.IntRange(0, 2).Draw(t, "by"),
		amount: rapid.Int64Range(1, 25).Draw(t, "amount"),
		first:  rapid.Int32Range(0, 2).Draw(t, "first"),
		soon:   rapid.Bool().Draw(t, "soon"),
	}
}

// modelled is the store that three daemons share, and what they were told to do.
type modelled struct {
	*rig
	ds     []*daemon.Daemon
	stops  []func()
	begun  int
	needs  map[string]int64 // by request or group: cores of each
	sizes  map[string]int64 // of groups
	owner  map[string]berth.TenantID
	first  map[string]int32 // priorities
	limits map[berth.TenantID]berth.Amounts

	expired chan struct{}
}

// Whatever comes, ends and is limited, by whichever of three daemons: when all is quiet,
// nothing waits for its quota that this has room for, and nobody has more than that. The
// invariants hold at every revision.
func TestQuota_Model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.Custom(drawDeed), 3, 14).Draw(rt, "deeds")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = model(t, deeds) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// A daemon has taken what a group of it waits for, and holds more back than another waits
// for. Before the group's turn comes, the next that waits there is found to lack more than is
// left: what was taken is not given back for that. It was, and was taken again, for ever.
func TestQuota_TakenForGroup(t *testing.T) {
	deeds := []deed{
		{kind: "group", tenant: "b", by: 1, amount: 16},
		{kind: "limit", tenant: "b", by: 2, amount: 14, soon: true},
		{kind: "group", tenant: "b", by: 1, amount: 1},
		{kind: "submit", tenant: "b", by: 2, amount: 22, soon: true},
		{kind: "limit", tenant: "a", by: 1, amount: 1},
		{kind: "submit", tenant: "a", by: 2, amount: 21},
		{kind: "submit", tenant: "b", by: 1, amount: 3},
		{kind: "nowhere", tenant: "a", by: 1, amount: 8, soon: true},
		{kind: "submit", tenant: "b", by: 0, amount: 17, soon: true},
		{kind: "group", tenant: "b", by: 2, amount: 1},
	}
	synctest.Test(t, func(t *testing.T) {
		if wrong := model(t, deeds); wrong != "" {
			t.Error(wrong)
		}
	})
}

// A group waits for room for all of its members, of which two must begin together, for its quota has as much; before that is
// taken others of its tenant get some. There is enough for two then, and it begins. Nor does what it waits with keep what has a higher priority from what is enough for that.
func TestQuota_RoomForFewer(t *testing.T) {
	for name, deeds := range map[string][]deed{
		"of one priority": {
			{kind: "end", tenant: "b", by: 2, amount: 11},
			{kind: "nowhere", tenant: "b", by: 2, amount: 16},
			{kind: "cancel", tenant: "b", by: 0, amount: 19, soon: true},
			{kind: "submit", tenant: "b", by: 1, amount: 25, soon: true},
			{kind: "submit", tenant: "b", by: 2, amount: 20, soon: true},
			{kind: "submit", tenant: "b", by: 0, amount: 1},
			{kind: "submit", tenant: "a", by: 0, amount: 4},
			{kind: "limit", tenant: "b", by: 2, amount: 14},
			{kind: "limit", tenant: "b", by: 1, amount: 6, soon: true},
			{kind: "submit", tenant: "a", by: 2, amount: 22},
			{kind: "submit", tenant: "b", by: 1, amount: 3},
			{kind: "submit", tenant: "b", by: 1, amount: 4, soon: true},
			{kind: "group", tenant: "b", by: 0, amount: 17},
			{kind: "limit", tenant: "b", by: 2, amount: 25},
		},
		"beside higher ones": {
			{kind: "nowhere", tenant: "b", by: 0, amount: 2, first: 1},
			{kind: "restart", tenant: "b", by: 1, amount: 2, soon: true, first: 1},
			{kind: "limit", tenant: "b", by: 2, amount: 2},
			{kind: "submit", tenant: "a", by: 1, amount: 2},
			{kind: "limit", tenant: "a", by: 0, amount: 17, first: 1},
			{kind: "submit", tenant: "a", by: 0, amount: 18, soon: true, first: 2},
			{kind: "group", tenant: "b", by: 1, amount: 4, soon: true},
			{kind: "submit", tenant: "b", by: 2, amount: 1, soon: true, first: 2},
			{kind: "submit", tenant: "a", by: 2, amount: 2, first: 2},
			{kind: "nowhere", tenant: "a", by: 2, amount: 5, first: 2},
			{kind: "submit", tenant: "a", by: 0, amount: 8, soon: true, first: 1},
			{kind: "submit", tenant: "b", by: 2, amount: 1, first: 1},
			{kind: "submit", tenant: "b", by: 1, amount: 18, first: 1},
			{kind: "submit", tenant: "b", by: 0, amount: 2, soon: true, first: 2},
		},
		"beside a higher one of who waits already": {
			{kind: "submit", tenant: "b", by: 0, amount: 1, first: 2},
			{kind: "submit", tenant: "b", by: 0, amount: 2, first: 1},
			{kind: "end", tenant: "a", by: 2, amount: 3, first: 1},
			{kind: "nowhere", tenant: "b", by: 0, amount: 24, first: 2},
			{kind: "limit", tenant: "b", by: 2, amount: 23, first: 2},
			{kind: "end", tenant: "b", by: 0, amount: 10, first: 1},
			{kind: "group", tenant: "b", by: 1, amount: 25, soon: true},
			{kind: "group", tenant: "b", by: 2, amount: 16, first: 1},
			{kind: "submit", tenant: "a", by: 0, amount: 15, first: 2},
			{kind: "submit", tenant: "a", by: 2, amount: 5, first: 2},
			{kind: "restart", tenant: "b", by: 0, amount: 17},
			{kind: "submit", tenant: "b", by: 1, amount: 2, first: 1},
			{kind: "restart", tenant: "a", by: 1, amount: 1},
			{kind: "submit", tenant: "b", by: 1, amount: 23, first: 2},
		},
	} {
		for range 3 { // which daemon hears of something first is chance
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if wrong := model(t, deeds); wrong != "" {
						t.Error(wrong)
					}
				})
			})
		}
	}
}

// model does all of it, and says what is wrong then.
func model(t *testing.T, deeds []deed) (wrong string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := newModelled(ctx, t)
	defer m.expire(cancel)
	var kills []func()
	for _, w := range []berth.WorkerID{"w", "v"} {
		_, kill := m.rig.lives(w)
		kills = append(kills, kill)
	}
	checked := m.checkedInto(&wrong)
	m.ds, m.stops = make([]*daemon.Daemon, 3), make([]func(), 3)
	for i := range m.ds {
		m.begin(i)
	}
	for i, d := range deeds {
		m.do(i, d)
		if d.soon && i < len(deeds)-1 {
			continue
		}
		m.passes(4 * time.Second)
		if wrong = m.wrong(); wrong != "" {
			wrong = fmt.Sprintf("after %v: %s", deeds[:i+1], wrong)
			break
		}
	}
	if wrong == "" {
		wrong = m.restless()
	}
	for _, stop := range append(m.stops, kills...) {
		stop()
	}
	checked()
	return wrong
}

// restless says what is still written though nothing has happened for long: what waits is to
// be woken by what helps it, and not to go round.
func (m *modelled) restless() string {
	m.passes(20 * time.Second) // what nobody uses is given back after ten
	var before, after int64
	for range 3 { // what quotas are gathered for may let others go first, once in a minute at most
		before = m.revision()
		m.passes(5 * time.Second)
		if after = m.revision(); after <= before+1 { // what is kept for a group may be chosen anew
			return ""
		}
	}
	return fmt.Sprintf("%d transactions in 5 s in which nothing happens: %s", after-before, m.dump())
}

// newModelled is a store without daemons and workers, until expire.
func newModelled(ctx context.Context, t *testing.T) *modelled {
	t.Helper()
	m := &modelled{
		rig:   &rig{t: t, began: time.Now(), conn: &conn{Direct: memetcd.NewDirect(memetcd.New(memetcd.Config{ClusterID: 7}))}},
		needs: map[string]int64{}, sizes: map[string]int64{}, owner: map[string]berth.TenantID{}, first: map[string]int32{}, limits: map[berth.TenantID]berth.Amounts{},
		expired: make(chan struct{}),
	}
	go func() { m.conn.Run(ctx); close(m.expired) }()
	m.client = memetcd.NewClient(ctx, m.conn)
	m.Store = m.store(etcdstore.Options{})
	return m
}

func (m *modelled) expire(cancel func()) {
	cancel()
	<-m.expired
	synctest.Wait()
}

func (m *modelled) begin(i int) {
	m.begun++
	store := m.store(etcdstore.Options{TxnBase: fmt.Sprintf("d%dx%d", i, m.begun)})
	m.ds[i], m.stops[i] = m.daemonOn(store, daemon.Options{ID: berth.DaemonID(fmt.Sprint("d", i))})
}

func (m *modelled) do(i int, d deed) {
	switch d.kind {
	case "submit", "group":
		id := fmt.Sprintf("r%02d", i)
		m.needs[id], m.owner[id], m.first[id] = d.amount, d.tenant, d.first
		m.run(m.ds[d.by], id, func(s *berth.Request) {
			s.Tenant, s.Priority, s.StartTimeoutMS, s.Resources.CPUMilli = d.tenant, d.first, 30_000_000, d.amount
			if d.kind == "group" {
				m.sizes[id] = 2 + d.amount/10
				s.Group = &berth.Membership{Size: m.sizes[id], MinCount: 2}
				*s = s.Normalize()
			}
		})
	case "nowhere": // fits on no worker: that it waits keeps nobody from the quota
		m.run(m.ds[d.by], fmt.Sprintf("n%02d", i), func(s *berth.Request) {
			s.Tenant, s.Resources.CPUMilli = d.tenant, d.amount
			s.Constraints = []berth.Constraint{{Label: "no", Operator: berth.OperatorIn, Values: []string{fmt.Sprint(i)}}}
		})
	case "cancel":
		for _, id := range slices.Sorted(maps.Keys(m.needs)) {
			if m.owner[id] == d.tenant && m.sizes[id] == 0 && m.there("requests/"+id) > m.there("states/"+id) {
				_, err := m.ds[d.by].Cancel(m.t.Context(), berth.RequestID(id), "")
				m.ok(err)
				return
			}
		}
	case "limit":
		most := berth.Amounts{}
		if d.amount%4 > 0 {
			most[berth.DimensionCPU] = 4 * d.amount
		}
		if d.amount%3 == 0 {
			most[berth.DimensionMemory] = d.amount / 4 * memoryOfEach
		}
		if _, limited := m.limits[d.tenant]; len(most) == 0 && !limited {
			return
		}
		_, err := m.ds[d.by].SetQuota(m.t.Context(), daemon.QuotaChange{Tenant: d.tenant, Pool: "default", All: true, Set: most})
		m.ok(err)
		if m.limits[d.tenant] = most; len(most) == 0 {
			delete(m.limits, d.tenant)
		}
	case "end":
		for _, key := range m.allocations() {
			parts := strings.Split(key, "/")
			if m.owner[strings.Split(parts[2], ".")[0]] != d.tenant {
				continue
			}
			if a, _ := m.allocation(parts[1], parts[2]); a.State == berth.StatePlaced { // no daemon has ended yet what an earlier deed let exit
				m.runs(parts[1], parts[2])
				m.reported(parts[1], parts[2], berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
				return
			}
		}
	case "restart":
		m.stops[d.by]()
		m.begin(d.by)
	}
}

// allocations are the keys of all.
func (m *modelled) allocations() (keys []string) {
	resp, err := m.client.Get(m.t.Context(), "/berth/allocations/", clientv3.WithPrefix())
	m.ok(err)
	for _, kv := range resp.Kvs {
		keys = append(keys, strings.TrimPrefix(string(kv.Key), "/berth/"))
	}
	return keys
}

// wrong compares what is placed with what the quotas have room for.
func (m *modelled) wrong() string {
	used, placed := map[berth.TenantID]berth.Amounts{}, map[string]int64{}
	for _, key := range m.allocations() {
		id := strings.Split(strings.Split(key, "/")[2], ".")[0]
		sum, err := used[m.owner[id]].Plus(m.of(id, 1))
		m.ok(err)
		used[m.owner[id]] = sum
		placed[id]++
	}
	for _, id := range slices.Sorted(maps.Keys(m.needs)) {
		t := m.owner[id]
		together, waits := int64(1), int64(0)
		if m.sizes[id] == 0 {
			waits = m.there("requests/" + id)
		}
		for i := range m.sizes[id] {
			waits += m.there(fmt.Sprintf("requests/%s.%d", id, i))
		}
		if placed[id] >= waits {
			continue
		}
		if m.sizes[id] > 0 && placed[id] == 0 {
			together = m.atLeast(id)
		}
		with, err := used[t].Plus(m.of(id, together))
		m.ok(err)
		if m.within(t, with) && !m.comesAfter(id) {
			return fmt.Sprintf("%s of tenant %s waits, %d of %d are placed, though %v of %v is used and %v would be: %s", id, t, placed[id], waits, used[t], m.limits[t], with, m.dump())
		}
	}
	return ""
}

// comesAfter says whether its tenant's quota is gathered for something that goes before a request, or a group.
func (m *modelled) comesAfter(id string) bool {
	kv := m.kv("tenants/" + string(m.owner[id]))
	if kv == nil {
		return false
	}
	var rec berth.Tenant
	m.ok(json.Unmarshal(kv.Value, &rec))
	first := (*berth.Gathering)(nil)
	for _, g := range rec.Pools["default"].Gathering {
		if first == nil || g.Compare(first) < 0 {
			first = &g
		}
	}
	if first == nil || strings.HasPrefix(string(first.Request), id+".") { // that one is of the group, and follows it
		return false
	}
	own := berth.Gathering{Request: berth.RequestID(id), Priority: m.first[id]}
	if kv := m.kv("requests/" + id); kv != nil {
		own.Age = berth.Revision(kv.CreateRevision)
	} else if kv := m.kv("groups/" + id); kv != nil {
		own = berth.Gathering{Group: berth.GroupID(id), Priority: m.first[id], Age: berth.Revision(kv.CreateRevision)}
	}
	return own.Compare(first) > 0
}

// memoryOfEach is what every request asks for.
const memoryOfEach = 1 << 20

// of is what so many of a request count for.
func (m *modelled) of(id string, n int64) berth.Amounts {
	return berth.Amounts{berth.DimensionCPU: n * m.needs[id], berth.DimensionMemory: n * memoryOfEach}
}

func (m *modelled) within(t berth.TenantID, a berth.Amounts) bool {
	for d, most := range m.limits[t] {
		if a[d] > most {
			return false
		}
	}
	return true
}

func (m *modelled) there(key string) int64 {
	if m.kv(key) == nil {
		return 0
	}
	return 1
}

// atLeast is how many members of a group have to be placed together.
func (m *modelled) atLeast(id string) int64 {
	var g struct {
		Size     int64 `json:"size"`
		MinCount int64 `json:"min_count"`
		Failed   int64 `json:"failed"`
	}
	m.ok(json.Unmarshal(m.kv("groups/"+id).Value, &g))
	left := int64(0)
	for i := range m.sizes[id] {
		left += m.there(fmt.Sprintf("requests/%s.%d", id, i))
	}
	return max(g.MinCount-(g.Size-left-g.Failed), 1)
}

func (m *modelled) dump() string {
	resp, err := m.client.Get(m.t.Context(), "/berth/tenants/", clientv3.WithPrefix())
	m.ok(err)
	var out []string
	for _, kv := range resp.Kvs {
		out = append(out, string(kv.Key)+" "+string(kv.Value))
	}
	return strings.Join(out, "\n")
}
