package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

func keptOn(cpu int64, workers ...berth.WorkerID) (out []berth.KeptWorker) {
	for _, w := range workers {
		out = append(out, berth.KeptWorker{Worker: w, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: cpu}}})
	}
	return out
}

// Only workers that show more than before are looked at for others.
func TestKeep_ChangedIn(t *testing.T) {
	was := &berth.Keep{Group: "g", Workers: keptOn(5, "a", "b")}
	for _, tt := range []struct {
		name    string
		was, is *berth.Keep
		want    []berth.WorkerID
	}{
		{"nothing was kept", nil, was, nil},
		{"the same", was, &berth.Keep{Group: "g", Workers: keptOn(5, "a", "b")}, nil},
		{"one less, one more", was, &berth.Keep{Group: "g", Workers: keptOn(5, "b", "c")}, []berth.WorkerID{"a"}},
		{"another share", was, &berth.Keep{Group: "g", Workers: slices.Concat(keptOn(4, "a"), keptOn(5, "b"))}, []berth.WorkerID{"a"}},
		{"another group", was, &berth.Keep{Group: "h", Workers: keptOn(5, "a", "b")}, []berth.WorkerID{"a", "b"}},
		{"an end that is known now", was, &berth.Keep{Group: "g", By: time.Unix(9, 0), Workers: keptOn(5, "a", "b")}, []berth.WorkerID{"a", "b"}},
		{"nothing any more", was, nil, []berth.WorkerID{"a", "b"}},
	} {
		if got := changedIn(tt.was, tt.is); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A record is never larger than the store takes.
func TestKeep_WithinBytes(t *testing.T) {
	var workers []berth.KeptWorker
	for i := range berth.MaxGroupSize {
		w := keptOn(5, berth.WorkerID(fmt.Sprintf("a-worker-with-a-rather-long-name-%04d", i)))[0]
		for d := range 16 {
			w.Share.Devices = append(w.Share.Devices, berth.DeviceShare{Name: fmt.Sprintf("gpu%02d", d), Milli: berth.WholeDevice})
		}
		workers = append(workers, w)
	}
	bytes := 0
	got := withinBytes(workers)
	for range got {
		bytes += len(`{"worker":"a-worker-with-a-rather-long-name-0000","share":{"cpu_milli":5,"devices":[]}},`) + 16*len(`{"name":"gpu00","milli":1000},`)
	}
	if len(got) == 0 || len(got) == len(workers) || bytes > etcdstore.MaxValueBytes {
		t.Errorf("%d of %d workers, %d bytes", len(got), len(workers), bytes)
	}
	if all := withinBytes(workers[:10]); len(all) != 10 {
		t.Errorf("%d of 10", len(all))
	}
}

// When an allocation has ended at the latest.
func TestKeep_EndsBy(t *testing.T) {
	at := func(s int64) moment { m, _ := momentOf(time.Unix(s, 0).UTC()); return m }
	limited := &spec{request: berth.Request{RunLimitMS: 60_000, StartTimeoutMS: 10_000, StopTimeoutMS: 5000}}
	for name, tt := range map[string]struct {
		x    *life
		want int64 // 0: nothing says
	}{
		"without a limit":    {&life{spec: &spec{}, placed: at(100)}, 0},
		"not started":        {&life{spec: limited, placed: at(100)}, 175},
		"runs":               {&life{spec: limited, placed: at(100), started: at(105)}, 170},
		"told to stop":       {&life{spec: limited, placed: at(100), started: at(105), stop: &berth.StopOrder{Deadline: time.Unix(120, 0)}}, 120},
		"told, unlimited":    {&life{spec: &spec{}, placed: at(100), stop: &berth.StopOrder{Deadline: time.Unix(120, 0)}}, 120},
		"has exited already": {&life{spec: &spec{}, placed: at(100), exit: &berth.Exit{}}, 100},
	} {
		got := tt.x.endsBy()
		if tt.want == 0 && !got.IsZero() || tt.want != 0 && got.Unix() != tt.want {
			t.Errorf("%s: %v, want %d", name, got, tt.want)
		}
	}
}
