package daemon

import (
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// Where others have made room, a request is placed again if whom it met there does not speak against
// it: by what the plan tells of them, for no record does.
func TestInRoom_Beside(t *testing.T) {
	t.Parallel()
	app := berth.RequestLabel{Label: "app", Value: "web"}
	apart := berth.Request{ID: "r", Command: []string{"x"}, AntiAffinity: []berth.Affinity{{Requests: &app}}}.Normalize()
	near := berth.Request{ID: "r", Command: []string{"x"}, Affinity: []berth.Affinity{{Requests: &app, Topology: "rack"}}}.Normalize()
	even := berth.Request{ID: "r", Command: []string{"x"}, Labels: map[string]string{"app": "web"}, Spread: []berth.Spread{{Requests: app, Topology: "rack"}}}.Normalize()
	for _, tt := range []struct {
		name   string
		spec   berth.Request
		beside []berth.PlannedBeside
		want   berth.WorkerID
	}{
		{name: "nobody", spec: apart, beside: []berth.PlannedBeside{{Topology: "host", Requests: app, All: 3}}, want: "w"},
		{name: "one to be apart from", spec: apart, beside: []berth.PlannedBeside{{Topology: "host", Requests: app, Here: 1, All: 3}}},
		{name: "one to be near to", spec: near, beside: []berth.PlannedBeside{{Topology: "rack", Requests: app, Here: 1, All: 1}}, want: "w"},
		{name: "those are elsewhere", spec: near, beside: []berth.PlannedBeside{{Topology: "rack", Requests: app, All: 1}}},
		{name: "as many as anywhere", spec: even, beside: []berth.PlannedBeside{{Topology: "rack", Requests: app, Here: 2, All: 5, Fewest: 2}}, want: "w"},
		{name: "more than elsewhere", spec: even, beside: []berth.PlannedBeside{{Topology: "rack", Requests: app, Here: 2, All: 5, Fewest: 1}}},
		{name: "an older program told nothing", spec: near, want: "w"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}}
			s := snapshot.New(snapshot.Header{})
			s.Put(berth.Fact{Key: workerKey("w"), Record: &berth.Worker{Pool: "default", Capacity: capacity, Labels: map[string]string{"rack": "a"}}, Create: 1, Mod: 1})
			s.Put(berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Capacity: capacity}, Create: 2, Mod: 2})
			room := berth.PlannedRoom{Request: "r", Beside: tt.beside}
			r := &Replay{ID: "r", Worker: "w", Basis: &berth.PlanBasis{Room: []berth.PlannedRoom{room}, Shares: []berth.Share{{}}}}
			got, err := Replayer{}.inRoom(t.Context(), r, s, &waiting{id: "r", request: &tt.spec})
			if err != nil || got.Worker != tt.want {
				t.Errorf("on %q: %+v, %v; want %q", got.Worker, got, err, tt.want)
			}
		})
	}
}
