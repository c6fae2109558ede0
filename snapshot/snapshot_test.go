package snapshot_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// store makes the facts of a small store.
type store struct {
	rev   berth.Revision
	facts []berth.Fact
}

func (s *store) put(kind berth.Kind, owner, id string, record any) {
	s.rev++
	s.facts = append(s.facts, berth.Fact{Key: berth.Key{Kind: kind, Owner: owner, ID: id}, Record: record, Create: s.rev, Mod: s.rev})
}

func (s *store) worker(id string, cpu int64, intent berth.Intent) {
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: cpu, MemoryBytes: 8 << 30}}
	s.put(berth.KindWorker, "", id, &berth.Worker{Pool: berth.DefaultPool, Capacity: capacity, Address: "10.1.2.3:99", Lease: "aa", Hostname: "host", BootID: "boot", StateID: "dir"})
	s.put(berth.KindLedger, "", id, &berth.Ledger{Epoch: berth.Epoch(s.rev), Capacity: capacity, Lease: "aa", StateID: "dir"})
	if !reflect.DeepEqual(intent, berth.Intent{}) {
		s.put(berth.KindIntent, "", id, &intent)
	}
}

func request(id string, cpu int64) berth.Request {
	r := berth.Request{
		ID: berth.RequestID(id), Command: []string{"sh", "-c", "secret-argument"}, Env: map[string]string{"TOKEN": "secret-token"},
		Dir: "/secret-dir", User: "secret-user", Labels: map[string]string{"team": "x"},
	}.Normalize()
	r.Resources.CPUMilli = cpu
	return r
}

// submit adds a request, on a worker or, where that is "", waiting.
func (s *store) submit(id string, cpu int64, on string) {
	if on != "" {
		share := berth.Share{Quantities: berth.Quantities{CPUMilli: cpu}}
		for _, f := range s.facts {
			if l, ok := f.Record.(*berth.Ledger); ok && f.Key.ID == on {
				l.Reserved.CPUMilli += cpu
				l.Count++
			}
		}
		s.put(berth.KindState, "", id, &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: berth.WorkerID(on), Epoch: 1})
		defer s.put(berth.KindAllocation, on, id, &berth.Allocation{
			State: berth.StateRunning, Attempt: 1, Tenant: berth.DefaultTenant, Share: share, Stop: &berth.StopOrder{Reason: berth.StopDrain, Message: "secret-word"},
		})
	}
	s.put(berth.KindRequest, "", id, &berth.Submission{Digest: "secret-digest", SubmittedAt: time.Unix(int64(s.rev), 0).UTC(), Spec: request(id, cpu)})
}

// taken is the store's snapshot.
func (s *store) taken() *snapshot.Snapshot {
	out := snapshot.New(snapshot.Header{Revision: s.rev, TakenAt: time.Unix(1, 0).UTC(), Policy: "1"})
	for _, kind := range snapshot.Kinds {
		for _, f := range s.facts {
			if f.Key.Kind == kind {
				out.Put(f)
			}
		}
	}
	return out
}

// written is the store's file.
func (s *store) written(t interface{ Fatal(...any) }) []byte {
	var b bytes.Buffer
	w, err := snapshot.NewWriter(&b, snapshot.Header{Revision: s.rev, TakenAt: time.Unix(1, 0).UTC(), Policy: "1"})
	for _, kind := range snapshot.Kinds {
		for _, f := range s.facts {
			if err == nil && f.Key.Kind == kind {
				err = w.Put(f)
			}
		}
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWriter_NoSecrets(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	s.submit("a", 1000, "w1")
	s.submit("b", 1000, "")
	text := string(s.written(t))
	for _, word := range []string{"secret", "10.1.2.3", `"aa"`, `"host"`, `"boot"`, `"dir"`} {
		if strings.Contains(text, word) {
			t.Errorf("%s stands in the file:\n%s", word, text)
		}
	}
	if !strings.Contains(text, `"team":"x"`) {
		t.Errorf("the labels are not in the file:\n%s", text)
	}
}

func TestRead_Refuses(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	whole := string(s.written(t))
	lines := strings.SplitAfter(whole, "\n")
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", snapshot.ErrCut.Error()},
		{"cut", strings.Join(lines[:len(lines)-2], ""), snapshot.ErrCut.Error()},
		{"a line is missing", strings.Join(append([]string{lines[0]}, lines[2:]...), ""), "1 records stand before it, and it says 2"},
		{"another file", "{}\n", "is no snapshot"},
		{"a file of no lines", strings.Repeat("\x00", snapshot.MaxLineBytes+1), "is no snapshot: a line has more than the 1048576 bytes that are allowed"},
		{"newer", `{"berth_snapshot":3,"revision":1}` + "\n", "a newer program wrote it"},
		{"unknown kind", lines[0] + `{"kind":"holds","id":"x","record":{}}` + "\n", `line 2: kind "holds" is unknown`},
		{"unknown field", lines[0] + `{"kind":"pools","id":"x","record":{"colour":1}}` + "\n", "line 2: pools x: "},
		{"behind the end", whole + "{}\n", "line 5: stands behind the end"},
		{"less than no CPU", lines[0] + `{"kind":"requests","id":"a","record":{"spec":{"id":"a","resources":{"cpu_milli":-1}}}}` + "\n", `line 2: requests a: resources.cpu_milli`},
		{"another's", lines[0] + `{"kind":"requests","id":"a","record":{"spec":{"id":"b"}}}` + "\n", `line 2: requests a: spec.id is "b"`},
		{"more reserved than there can be", lines[0] + `{"kind":"ledgers","id":"w","record":{"reserved":{"devices":[{"name":"0","milli":2000}]}}}` + "\n", "line 2: ledgers w: devices[0].milli"},
		{"less than nothing held", lines[0] + `{"kind":"allocations","owner":"w","id":"a","record":{"share":{"memory_bytes":-1}}}` + "\n", "line 2: allocations a: memory_bytes"},
		{"a worker of less than nothing", lines[0] + `{"kind":"workers","id":"w","record":{"capacity":{"cpu_milli":-1}}}` + "\n", "line 2: workers w: cpu_milli"},
		{"a record of a newer program", lines[0] + `{"kind":"pools","id":"p","record":{"version":99}}` + "\n", "line 2: pools p: version is 99"},
		{"no version", lines[0] + `{"kind":"pools","id":"p","record":{"version":-1}}` + "\n", "line 2: pools p: version is -1"},
		{"no id", lines[0] + `{"kind":"pools","id":"../x","record":{}}` + "\n", "line 2: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := snapshot.Read(strings.NewReader(tt.text), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	s := &store{}
	s.worker("w1", 4000, berth.Intent{Cordon: true})
	s.submit("a", 1000, "w1")
	f.Add(s.written(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := snapshot.Read(bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		if _, err := s.Forecast(&snapshot.Change{}); err != nil {
			t.Fatal(err)
		}
	})
}

// A file tells the same as the store that it was made of, but for what is stripped.
func TestRead_Property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &store{}
		workers := rapid.IntRange(0, 4).Draw(t, "workers")
		for i := range workers {
			intent := rapid.SampledFrom([]berth.Intent{{}, {}, {Cordon: true}, {Drain: true, Message: "kernel"}}).Draw(t, "intent")
			s.worker(fmt.Sprintf("w%d", i), rapid.Int64Range(0, 4000).Draw(t, "cpu"), intent)
		}
		for i := range rapid.IntRange(0, 8).Draw(t, "requests") {
			on := ""
			if n := rapid.IntRange(-1, workers-1).Draw(t, "on"); n >= 0 {
				on = fmt.Sprintf("w%d", n)
			}
			s.submit(fmt.Sprintf("r%d", i), rapid.Int64Range(0, 2000).Draw(t, "want"), on)
		}
		if weight := rapid.Int64Range(0, 3).Draw(t, "weight"); weight > 0 {
			s.put(berth.KindTenant, "", "other", &berth.Tenant{Weight: weight, Pools: map[berth.PoolID]berth.Quota{"secret-pool": {Blocks: 1}}})
		}
		for _, f := range s.facts { // an image decides where a request may go
			switch r := f.Record.(type) {
			case *berth.Worker:
				r.Images = rapid.Bool().Draw(t, "images")
			case *berth.Submission:
				r.Spec.Image = rapid.SampledFrom([]string{"", "train:3"}).Draw(t, "image")
			}
		}
		direct := s.taken()
		if strings.Contains(string(s.written(t)), "secret-pool") {
			t.Fatal("a file tells of quotas")
		}
		read, err := snapshot.Read(bytes.NewReader(s.written(t)), nil)
		if err != nil {
			t.Fatal(err)
		}
		strip := cmp.Transformer("strip", func(q *snapshot.Request) snapshot.Request {
			out := *q
			out.Spec.Command, out.Spec.Env, out.Spec.Dir, out.Spec.User = []string{}, nil, "", ""
			if out.Allocation != nil {
				a := *out.Allocation
				a.Stop = nil
				out.Allocation = &a
			}
			return out
		})
		if diff := cmp.Diff(direct.Requests(), read.Requests(), strip); diff != "" {
			t.Fatalf("requests (-store +file):\n%s", diff)
		}
		a, errA := direct.Forecast(&snapshot.Change{})
		b, errB := read.Forecast(&snapshot.Change{})
		if diff := cmp.Diff(a, b); diff != "" || errA != nil || errB != nil {
			t.Fatalf("forecasts (-store +file), %v, %v:\n%s", errA, errB, diff)
		}
		again, _ := direct.Forecast(&snapshot.Change{})
		if diff := cmp.Diff(a, again); diff != "" {
			t.Fatalf("a forecast has changed the snapshot:\n%s", diff)
		}
	})
}
