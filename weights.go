package berth

import (
	"fmt"
	"slices"
	"strings"
)

// Scorer is one of the things by which workers that fit are compared: see the table in
// docs/scheduling.md.
type Scorer string

// The scorers, in the order in which they decide where nothing is said of them.
const (
	ScorerAvoided Scorer = "avoided"
	ScorerRank    Scorer = "rank"
	ScorerDislike Scorer = "dislike"
	ScorerYields  Scorer = "yields"
	ScorerOver    Scorer = "over"
	ScorerLoad    Scorer = "load"
	ScorerCold    Scorer = "cold"
	ScorerLoss    Scorer = "loss"
	ScorerFree    Scorer = "free"
	ScorerPulls   Scorer = "pulls"
)

// Scorers is all of them, in that order.
func Scorers() []Scorer {
	return []Scorer{ScorerAvoided, ScorerRank, ScorerDislike, ScorerYields, ScorerOver, ScorerLoad, ScorerCold, ScorerLoss, ScorerFree, ScorerPulls}
}

const scorerBound = "avoided, rank, dislike, yields, over, load, cold, loss, free, pulls"

// UnmarshalText rejects every word that is not a scorer.
func (s *Scorer) UnmarshalText(b []byte) error { return decodeWord(s, b, "scorer", Scorers()) }

// Weights of a pool's scorers, each 0 to MaxPoolWeight: those that are named are added
// up by them. Without any, the first scorer that tells two workers apart decides.
type Weights map[Scorer]int64

// String is SCORER=N each, with commas between, in the order of the scorers.
func (w Weights) String() string {
	var out []string
	for _, name := range Scorers() {
		if n, ok := w[name]; ok {
			out = append(out, fmt.Sprintf("%s=%d", name, n))
		}
	}
	return strings.Join(out, ",")
}

// Validate checks names and bounds.
func (w Weights) Validate() error { return w.validate("weights") }

func (w Weights) validate(field string) error {
	for _, name := range sortedKeys(w) {
		if !slices.Contains(Scorers(), name) {
			return &FieldError{Field: field, Value: clip(string(name)), Problem: "is no scorer", Bound: scorerBound}
		}
		if err := checkRange(field+"."+string(name), w[name], 0, MaxPoolWeight); err != nil {
			return err
		}
	}
	return nil
}
