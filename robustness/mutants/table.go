package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

// line tells one result as it comes.
func line(r result) string {
	switch by := r.by(); {
	case r.broken != "":
		return fmt.Sprintf("BROKEN   %s: %s", r.patch.name, r.broken)
	case by == nil:
		return fmt.Sprintf("SURVIVED %s: %s", r.patch.name, r.patch.breaks)
	default:
		return fmt.Sprintf("found    %s by the %s in %s: %s", r.patch.name, by.sieve, seconds(by.took), by.line)
	}
}

// by is the first sieve that found it.
func (r result) by() *outcome {
	for i := range r.outcomes {
		if r.outcomes[i].found {
			return &r.outcomes[i]
		}
	}
	return nil
}

// row is the mutation, its rule, all who found it, and how soon.
func (r result) row() []string {
	name, rule := r.patch.name, r.patch.breaks
	switch {
	case r.broken != "":
		return []string{name, rule, r.broken, ""}
	case r.by() == nil:
		return []string{name, rule, "SURVIVED", ""}
	}
	var by, soon []string
	for _, o := range r.outcomes {
		if o.found {
			by, soon = append(by, o.finder()), append(soon, o.soon())
		}
	}
	return []string{name, rule, strings.Join(by, "; "), strings.Join(soon, "; ")}
}

// finder is the sieve and its test.
func (o outcome) finder() string {
	test, _, ok := strings.Cut(o.line, ":")
	if test = strings.TrimSuffix(test, " panic"); !ok || test == "" || strings.Contains(test, " ") || o.sieve == sieveSimulation {
		return o.sieve
	}
	return o.sieve + ", " + test
}

func (o outcome) soon() string {
	if o.sieve == sieveSimulation {
		return seedOf(o.line) + seconds(o.took)
	}
	return seconds(o.took)
}

// seedOf finds which seed a line of the simulation names.
func seedOf(line string) string {
	_, rest, ok := strings.Cut(line, "seed")
	if !ok {
		return ""
	}
	digits := strings.TrimLeft(rest, " =_")
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(digits)
	}
	if end == 0 {
		return ""
	}
	return "seed " + digits[:end] + ", "
}

var columns = []string{"mutation", "rule", "found by", "in"}

// table is for a terminal.
func table(results []result) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(columns, "\t")))
	for _, r := range results {
		fmt.Fprintln(w, strings.Join(r.row(), "\t"))
	}
	w.Flush()
	return b.String()
}

// The table in the document stands between these lines.
const (
	docBegin = "<!-- planted bugs: written by make mutants -->"
	docEnd   = "<!-- end of planted bugs -->"
)

func markdown(results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	for _, r := range results {
		cells := r.row()
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

// rewriteDoc puts the results into a document in place of the former ones.
func rewriteDoc(file string, results []result) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	before, rest, begun := strings.Cut(string(text), docBegin+"\n")
	_, after, ended := strings.Cut(rest, docEnd)
	if !begun || !ended {
		return fmt.Errorf("write the table: %s has no lines %q and %q", file, docBegin, docEnd)
	}
	next := before + docBegin + "\n" + markdown(results) + docEnd + after
	if err := os.WriteFile(file, []byte(next), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
