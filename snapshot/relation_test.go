package snapshot_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// near has a request be where such are of an app, on the same host.
func near(app string) func(*berth.Request) {
	return func(r *berth.Request) {
		r.Affinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: app}, Topology: berth.TopologyHost}}
	}
}

// labelled gives a request the label of an app.
func labelled(app string, more ...func(*berth.Request)) func(*berth.Request) {
	return func(r *berth.Request) {
		r.Labels = map[string]string{"app": app}
		for _, edit := range more {
			edit(r)
		}
	}
}

func edited(r berth.Request, edit func(*berth.Request)) berth.Request {
	edit(&r)
	return r
}

// What must be near others is asked for again when those have their places: its turn may come before theirs.
func TestForecast_NearWhatComesLater(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		build  func(*store)
		change snapshot.Change
		want   []string
	}{
		{
			"who moves with it", func(s *store) {
				s.runs("aft", 100, "w1", 0)
				s.edit("aft", near("t"), nil)
				s.runs("t1", 100, "w1", 0)
				s.edit("t1", labelled("t"), nil)
			},
			snapshot.Change{Drain: []berth.WorkerID{"w1"}},
			[]string{"aft moved from w1: w2", "t1 moved from w1: w2"},
		},
		{
			"one after the other", func(*store) {},
			snapshot.Change{Requests: []berth.Request{edited(request("a", 100), near("b")), edited(request("b", 100), labelled("b", near("c"))), edited(request("c", 100), labelled("c"))}},
			[]string{"a new: w2", "b new: w2", "c new: w2"},
		},
		{
			"a group, too", func(*store) {},
			snapshot.Change{Requests: []berth.Request{edited(group("g", 100, 2, 2), near("t")), edited(group("h", 100, 2, 2), labelled("t"))}},
			[]string{"g.0 new: w1", "g.1 new: w2", "h.0 new: w1", "h.1 new: w2"},
		},
		{
			"and waits where nobody comes", func(*store) {},
			snapshot.Change{Requests: []berth.Request{edited(request("a", 100), near("t")), request("b", 100)}},
			[]string{"a new: waits for affinity app=t on the host", "b new: w2"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{}
			s.worker("w1", 4000, berth.Intent{})
			s.worker("w2", 4000, berth.Intent{})
			tt.build(s)
			outcomes, err := s.taken().Forecast(&tt.change)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range outcomes {
				got = append(got, text(&outcomes[i]))
			}
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
