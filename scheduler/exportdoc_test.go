package scheduler

import (
	"reflect"

	"github.com/berthd/berth"
)

// FilterRow is a filter as its users read of it.
type FilterRow struct {
	Code             berth.ReasonCode
	LooksAt, Rejects string
}

// FilterRows is all filters, in their order.
func FilterRows() (rows []FilterRow) {
	add := func(looksAt string, filters ...filter) {
		for i := range filters {
			at := looksAt
			if filters[i].passing {
				at = "where other requests are"
			}
			rows = append(rows, FilterRow{filters[i].code, at, filters[i].rejects})
		}
	}
	add("its state", stateFilters...)
	add("it and the request", demandFilters...)
	add("its ledger", reservation)
	return rows
}

// ScorerRow is a scorer as its users read of it.
type ScorerRow struct{ Field, Prefers, Points string }

// ScorerRows is all scorers, in their order.
func ScorerRows() (rows []ScorerRow) {
	for _, s := range scorers {
		rows = append(rows, ScorerRow{s.field, s.prefers, s.points})
	}
	return rows
}

// ScoreFields are the fields of a score, in their order.
func ScoreFields() (names []string) {
	for f := range reflect.TypeFor[score]().Fields() {
		if f.Name != "sum" { // which is made of the others
			names = append(names, f.Name)
		}
	}
	return names
}

// worsen makes a score worse in one field.
var worsen = map[string]func(*score){
	"avoided": func(s *score) { s.avoided++ },
	"rank":    func(s *score) { s.rank++ },
	"dislike": func(s *score) { s.dislike++ },
	"yields":  func(s *score) { s.yields = true },
	"over":    func(s *score) { s.over = true },
	"load":    func(s *score) { s.load = fraction{2, 3} },
	"cold":    func(s *score) { s.cold = true },
	"loss":    func(s *score) { s.loss++ },
	"free":    func(s *score) { s.free++ },
	"pulls":   func(s *score) { s.pulls = true },
}

// DecidesFirst says whether a worker that is worse in a field of the score, and better
// in all that stand behind it, is worse.
func DecidesFirst(field string) bool {
	var a, b score
	behind := false
	for _, s := range scorers {
		switch {
		case s.field == field:
			behind = true
			if field == "load" { // which is compared of those above the bound
				a.over, b.over, b.load = true, true, fraction{1, 3}
			}
			worsen[field](&a)
		case behind:
			worsen[s.field](&b)
		}
	}
	return a.compare(&b) > 0 && b.compare(&a) < 0
}
