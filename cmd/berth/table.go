package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// leastWords is what a column of words has on the narrowest terminal: less says nothing.
const leastWords = 20

// table aligns columns. Colours do not count as width.
type table struct {
	rows  [][]string
	paint func(column int, text string) string // may be nil
	// words is the head of the one column that is cut to what the others leave of a terminal's width, or "": of
	// names, amounts and advice nothing may be missing. What no terminal shows is whole.
	words string
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = shown(cells[i], false)
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) error {
	widths := t.widths()
	if columns := columnsOf(w); columns > 0 && t.words != "" && len(t.rows) > 0 {
		t.cut(widths, columns)
	}
	for r, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			pad := widths[i] - utf8.RuneCountInString(cell)
			if t.paint != nil && r > 0 {
				cell = t.paint(i, cell)
			}
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", pad+2))
			}
		}
		if _, err := fmt.Fprintln(asIs(w), strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// widths are those of the columns, each of its longest cell.
func (t *table) widths() (widths []int) {
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// cut makes the column of words as short as lines of so many columns need.
func (t *table) cut(widths []int, columns int) {
	at := slices.Index(t.rows[0], t.words)
	if at < 0 {
		return
	}
	taken := 2 * (len(widths) - 1)
	for i, width := range widths {
		if i != at {
			taken += width
		}
	}
	most := wordsIn(columns, taken)
	for _, row := range t.rows[1:] {
		if at < len(row) {
			row[at] = clip(row[at], most)
		}
	}
	widths[at] = min(widths[at], most)
}

// wordsIn is how long words may be on a line, of which so much is taken.
func wordsIn(columns, taken int) int { return max(columns-taken, leastWords) }
