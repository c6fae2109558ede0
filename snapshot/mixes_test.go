package snapshot_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// mixOf is that of so many requests of a shape each.
func mixOf(shapes int) scheduler.MixState {
	s := scheduler.MixState{Asked: int64(shapes)}
	for i := range shapes {
		s.Usual = append(s.Usual, berth.UsualShape{Types: []string{fmt.Sprint(strings.Repeat("t", 60), i)}, Count: 1, Milli: 500, Weight: 256})
	}
	s.Priced = &berth.Prices{Asked: s.Asked, Usual: s.Usual, Devices: map[string]int64{"t": 4}}
	return s
}

// withMixes writes a snapshot that holds nothing else.
func withMixes(t *testing.T, m snapshot.Mixes) string {
	t.Helper()
	var out bytes.Buffer
	w, err := snapshot.NewWriter(&out, snapshot.Header{Revision: 1, Mixes: m})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWriter_MixesBeyondALine(t *testing.T) {
	all := snapshot.Mixes{"small": mixOf(1), "tiny": mixOf(1)}
	for i := range 10 {
		all[berth.PoolID(fmt.Sprint("large-", i))] = mixOf(512)
	}
	s, err := snapshot.Read(strings.NewReader(withMixes(t, all)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, first := s.Mixes["large-0"]; !first || len(s.Mixes) == len(all) {
		t.Errorf("%d of %d mixes are told, of the first pool: %v", len(s.Mixes), len(all), first)
	}
	for _, p := range []berth.PoolID{"large-0", "small", "tiny"} {
		if diff := gocmp.Diff(all[p], s.Mixes[p]); diff != "" {
			t.Errorf("pool %s (-written +read):\n%s", p, diff)
		}
	}
}

func TestRead_MixThatCannotBe(t *testing.T) {
	good := withMixes(t, snapshot.Mixes{"p": mixOf(1)})
	for name, edit := range map[string][2]string{
		"weighs nothing":       {`"weight":256`, `"weight":0`},
		"no part of a device":  {`"milli":500`, `"milli":0`},
		"more than a device":   {`"milli":500`, `"milli":1001`},
		"no devices":           {`"count":1`, `"count":0`},
		"asked less than none": {`"asked":1`, `"asked":-1`},
		"fewer than none":      {`"devices":{"t":4}`, `"devices":{"t":-4}`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, edit[0], edit[1], 1)
			if _, err := snapshot.Read(strings.NewReader(bad), nil); bad == good || err == nil || !strings.HasPrefix(err.Error(), "line 1: mixes of pool p") {
				t.Errorf("%v", err)
			}
		})
	}
}
