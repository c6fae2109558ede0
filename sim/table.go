package sim

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthd/berth"
)

// maxFileBytes bounds a file that is read.
const maxFileBytes = 256 << 20

// LineError is a line of a file that cannot be used, and why.
type LineError struct {
	Line int
	Err  error // a *berth.FieldError where it is about one field
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap is the reason.
func (e *LineError) Unwrap() error { return e.Err }

// table reads CSV whose first line names the columns.
type table struct {
	in      *csv.Reader
	columns map[string]int
	needed  []string // columns that every file has
	cells   []string
	line    int
	rows    int
	most    int // rows
}

// newTable reads the header. Columns that are not needed are passed over.
func newTable(r io.Reader, most int, needed ...string) (*table, error) {
	in := csv.NewReader(io.LimitReader(r, maxFileBytes+1))
	in.ReuseRecord, in.TrimLeadingSpace = true, true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, &LineError{1, errors.New("the file is empty; its first line names the columns")}
	}
	if err != nil {
		return nil, lineError(in, err)
	}
	t := &table{in: in, columns: make(map[string]int), needed: needed, most: most}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if _, twice := t.columns[name]; twice {
			return nil, &LineError{1, fmt.Errorf("column %q is repeated", clip(name))}
		}
		t.columns[name] = i
	}
	for _, name := range needed {
		if _, ok := t.columns[name]; !ok {
			return nil, &LineError{1, &berth.FieldError{Field: name, Problem: "is missing as a column", Bound: "a file that has " + strings.Join(needed, ", ")}}
		}
	}
	return t, nil
}

// only refuses columns that are none of those: one that is misspelt would count for nothing.
func (t *table) only(known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(t.columns)) {
		if !slices.Contains(known, name) {
			return &LineError{1, &berth.FieldError{Field: "column", Value: clip(name), Problem: "is unknown", Bound: strings.Join(known, ", ")}}
		}
	}
	return nil
}

func lineError(in *csv.Reader, err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return &LineError{parse.Line, parse.Err}
	}
	return fmt.Errorf("read: %w", err)
}

// next reads a row; false at the end.
func (t *table) next() (bool, error) {
	cells, err := t.in.Read()
	if errors.Is(err, io.EOF) {
		if t.in.InputOffset() > maxFileBytes {
			return false, fmt.Errorf("the file is larger than %d bytes", maxFileBytes)
		}
		return false, nil
	}
	if errors.Is(err, csv.ErrFieldCount) {
		line, _ := t.in.FieldPos(0)
		return false, &LineError{line, fmt.Errorf("has %d fields, and the header %d", len(cells), len(t.columns))}
	}
	if err != nil {
		return false, lineError(t.in, err)
	}
	t.cells = cells
	t.line, _ = t.in.FieldPos(0)
	if t.rows++; t.rows > t.most {
		return false, &LineError{t.line, fmt.Errorf("more than %d rows", t.most)}
	}
	return true, nil
}

// clip bounds what an error quotes: a field may be as long as the file.
func clip(s string) string { return berth.Clip(s, 64) }

// wrong is an error about a field of the row.
func (t *table) wrong(field, problem, bound string) error {
	return &LineError{t.line, &berth.FieldError{Field: field, Value: clip(t.text(field)), Problem: problem, Bound: bound}}
}

// text is a field; empty where the file has no such column.
func (t *table) text(field string) string {
	i, ok := t.columns[field]
	if !ok {
		return ""
	}
	return strings.TrimSpace(t.cells[i])
}

// number is a whole number within bounds; an empty field is least, but in a column that every file has: there it would count
// for what nobody has said.
func (t *table) number(field string, least, most int64) (int64, error) {
	text, allowed := t.text(field), fmt.Sprintf("a whole number of %d to %d", least, most)
	if text == "" {
		if slices.Contains(t.needed, field) {
			return 0, t.wrong(field, "is empty", allowed)
		}
		return least, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < least || v > most {
		return 0, t.wrong(field, "is not allowed", allowed)
	}
	return v, nil
}

// numbers reads several, each from 0 on.
func (t *table) numbers(fields []string, most []int64, to []*int64) error {
	for i, field := range fields {
		v, err := t.number(field, 0, most[i])
		if err != nil {
			return err
		}
		*to[i] = v
	}
	return nil
}

// word is an id, as names and models are; capital letters are taken for small ones.
func (t *table) word(field string) (string, error) {
	return t.id(field, t.text(field))
}

// id is a word of a field; an error quotes it as the file has it.
func (t *table) id(field, text string) (string, error) {
	id := strings.ToLower(text)
	err := berth.CheckID(field, id)
	if err == nil {
		return id, nil
	}
	if wrong, ok := errors.AsType[*berth.FieldError](err); ok && text != "" {
		as := *wrong
		as.Value = clip(text)
		err = &as
	}
	return "", &LineError{t.line, err}
}

// words is a list of ids, parted by |; empty is none. One that is repeated counts once.
func (t *table) words(field string, most int) ([]string, error) {
	if t.text(field) == "" {
		return nil, nil
	}
	return t.ids(field, most, func(all []string, word string) bool { return !slices.Contains(all, word) })
}

// ids are at least one, parted by |: those that count beside the ones before them, of which there are so many at most. What
// comes behind too many is not looked at.
func (t *table) ids(field string, most int, counts func(before []string, word string) bool) (out []string, err error) {
	for text := range strings.SplitSeq(t.text(field), "|") {
		word, err := t.id(field, text)
		if err != nil {
			return nil, err
		}
		if counts(out, word) {
			out = append(out, word)
		}
		if len(out) > most {
			return nil, t.wrong(field, "names too many", fmt.Sprintf("at most %d", most))
		}
	}
	return out, nil
}
