package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/berthd/berth"
)

// Format is the version of the file that Writer writes. Read refuses a newer one, and takes
// those before: 1 had no groups, and of tenants only their weights.
const Format = 2

// Bounds of a file: of one line, which holds one record without what strip takes
// out, and of all.
const (
	MaxLineBytes = 1 << 20
	MaxLines     = 20_000_000
)

// head is the first line.
type head struct {
	Format int `json:"berth_snapshot"`
	Header
}

// line is one record; the last line has End alone.
type line struct {
	Kind   berth.Kind      `json:"kind,omitempty"`
	Owner  string          `json:"owner,omitempty"` // of an allocation, its worker
	ID     string          `json:"id,omitempty"`
	Create berth.Revision  `json:"create_revision,omitempty"`
	Mod    berth.Revision  `json:"mod_revision,omitempty"`
	Record json.RawMessage `json:"record,omitempty"`
	End    *int64          `json:"end,omitempty"` // so many records stand before it
}

// Writer writes a snapshot as lines of JSON.
type Writer struct {
	w io.Writer
	n int64
}

// NewWriter writes the first line.
func NewWriter(w io.Writer, h Header) (_ *Writer, err error) {
	if h.Mixes, err = h.Mixes.bounded(); err != nil {
		return nil, err
	}
	h.Served = h.Served.bounded()
	return &Writer{w: w}, writeLine(w, head{Format, h})
}

// Put writes one record, without what is nobody's business who plans. A key of
// another kind, or without a record that can be read, is left out.
func (w *Writer) Put(f berth.Fact) error {
	record := strip(f.Record)
	if record == nil {
		return nil
	}
	b, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", f.Key.Kind, f.Key.ID, err)
	}
	w.n++
	return writeLine(w.w, line{Kind: f.Key.Kind, Owner: f.Key.Owner, ID: f.Key.ID, Create: f.Create, Mod: f.Mod, Record: b})
}

// Close writes the last line: a file without it is not whole.
func (w *Writer) Close() error { return writeLine(w.w, line{End: &w.n}) }

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// ErrCut says that a file ends before its last line.
var ErrCut = errors.New("the snapshot is not whole: its last line is missing")

// Read reads a snapshot. Of what is placed, only that on workers which keeps says
// yes to is kept; nil: all.
func Read(in io.Reader, keeps func(berth.WorkerID) bool) (*Snapshot, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), MaxLineBytes)
	var h head
	if !lines.Scan() {
		return nil, cmp.Or(unread(lines.Err()), ErrCut)
	}
	if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Format < 1 {
		return nil, errors.New("line 1: is no snapshot: want the field berth_snapshot")
	}
	if h.Format > Format {
		return nil, fmt.Errorf("line 1: berth_snapshot is %d; allowed: at most %d: a newer program wrote it", h.Format, Format)
	}
	if err := errors.Join(h.Mixes.sound(), h.Served.sound()); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	s := New(h.Header)
	s.Keeps = keeps
	for n := int64(0); lines.Scan(); n++ {
		end, err := s.readLine(lines.Bytes())
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n+2, err)
		case end != nil && *end != n:
			return nil, fmt.Errorf("line %d: %d records stand before it, and it says %d", n+2, n, *end)
		case end != nil && lines.Scan():
			return nil, fmt.Errorf("line %d: stands behind the end", n+3)
		case end != nil:
			return s, lines.Err()
		case n == MaxLines:
			return nil, fmt.Errorf("has too many lines; allowed: at most %d", MaxLines)
		}
	}
	return nil, cmp.Or(unread(lines.Err()), ErrCut)
}

// unread is what ended the reading before the file did.
func unread(err error) error {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("is no snapshot: a line has more than the %d bytes that are allowed", MaxLineBytes)
	case err != nil:
		return fmt.Errorf("read snapshot: %w", err)
	}
	return nil
}

// readLine puts what a line tells; of the last one, it returns the count.
func (s *Snapshot) readLine(b []byte) (end *int64, err error) {
	var l line
	if err := strictly(b, &l); err != nil {
		return nil, err
	}
	if l.End != nil {
		return l.End, nil
	}
	record, head := recordOf(l.Kind)
	if record == nil {
		return nil, fmt.Errorf("kind %q is unknown", l.Kind)
	}
	if err := berth.CheckID("id", l.ID); err != nil {
		return nil, err
	}
	if err := strictly(l.Record, record); err != nil {
		return nil, fmt.Errorf("%s %s: %w", l.Kind, l.ID, err)
	}
	if head.Version < 0 || head.Version > berth.RecordVersion {
		return nil, fmt.Errorf("%s %s: version is %d; allowed: at most %d", l.Kind, l.ID, head.Version, berth.RecordVersion)
	}
	if err := sound(l.ID, record); err != nil {
		return nil, fmt.Errorf("%s %s: %w", l.Kind, l.ID, err)
	}
	s.Put(berth.Fact{Key: berth.Key{Kind: l.Kind, Owner: l.Owner, ID: l.ID}, Record: record, Create: l.Create, Mod: l.Mod})
	return nil, nil
}

func strictly(b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// sound refuses numbers with which a plan would count wrongly, in a file that was edited.
func sound(id string, record any) error {
	switch r := record.(type) {
	case *berth.Submission:
		if string(r.Spec.ID) != id {
			return fmt.Errorf("spec.id is %q", berth.Clip(string(r.Spec.ID), berth.MaxIDLength))
		}
		return r.Spec.ValidateCounted()
	case *berth.Worker:
		return r.Capacity.ValidateCounts()
	case *berth.Ledger:
		if err := r.Capacity.ValidateCounts(); err != nil {
			return err
		}
		return errors.Join(r.Reserved.ValidateCounts(), r.Held.ValidateCounts())
	case *berth.Allocation:
		return r.Share.ValidateCounts()
	}
	return nil
}

// recordOf is a new record of a kind, and its header; nil for a kind that no snapshot holds.
func recordOf(kind berth.Kind) (any, *berth.Header) {
	switch kind {
	case berth.KindPool:
		r := new(berth.Pool)
		return r, &r.Header
	case berth.KindKeep:
		r := new(berth.Keep)
		return r, &r.Header
	case berth.KindWorker:
		r := new(berth.Worker)
		return r, &r.Header
	case berth.KindLedger:
		r := new(berth.Ledger)
		return r, &r.Header
	case berth.KindIntent:
		r := new(berth.Intent)
		return r, &r.Header
	case berth.KindConditions:
		r := new(berth.Conditions)
		return r, &r.Header
	case berth.KindState:
		r := new(berth.Progress)
		return r, &r.Header
	case berth.KindRequest:
		r := new(berth.Submission)
		return r, &r.Header
	case berth.KindAllocation:
		r := new(berth.Allocation)
		return r, &r.Header
	case berth.KindTenant:
		r := new(berth.Tenant)
		return r, &r.Header
	case berth.KindGroup:
		r := new(berth.Group)
		return r, &r.Header
	}
	return nil, nil
}
