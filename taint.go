package berth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Effect is what a taint does to requests that do not tolerate it.
type Effect string

// The effects.
const (
	EffectNoPlace       Effect = "no_place"        // nothing new
	EffectPreferNoPlace Effect = "prefer_no_place" // only where nothing else fits
	EffectNoRun         Effect = "no_run"          // nothing new, and what runs is stopped, to run elsewhere
)

// effectSpellings are other words for the effects, as of operators.
var effectSpellings = map[Effect]Effect{
	"no-place": EffectNoPlace, "NoSchedule": EffectNoPlace,
	"prefer-no-place": EffectPreferNoPlace, "PreferNoSchedule": EffectPreferNoPlace,
	"no-run": EffectNoRun, "NoExecute": EffectNoRun,
}

const effectBound = "no_place, prefer_no_place, no_run"

// UnmarshalText rejects every word that is not an effect.
func (e *Effect) UnmarshalText(b []byte) error {
	return decodeWord(e, b, "effect", []Effect{EffectNoPlace, EffectPreferNoPlace, EffectNoRun})
}

// Taint keeps requests off a worker that do not tolerate it.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect Effect `json:"effect"`
}

// String is the taint as ParseTaint reads it.
func (t Taint) String() string {
	if t.Value == "" {
		return t.Key + ":" + string(t.Effect)
	}
	return t.Key + "=" + t.Value + ":" + string(t.Effect)
}

// Normalize writes the effect as it is stored.
func (t Taint) Normalize() Taint {
	t.Effect = wordOf(effectSpellings, t.Effect)
	return t
}

// Compare orders taints by key, then effect, then value.
func (t Taint) Compare(o Taint) int {
	return cmp.Or(strings.Compare(t.Key, o.Key), strings.Compare(string(t.Effect), string(o.Effect)), strings.Compare(t.Value, o.Value))
}

// ParseTaint reads KEY[=VALUE]:EFFECT.
func ParseTaint(text string) (Taint, error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return Taint{}, &FieldError{Field: "taint", Value: clip(text), Problem: "has no effect", Bound: "KEY[=VALUE]:EFFECT; effects: " + effectBound}
	}
	t := Taint{Effect: Effect(text[i+1:])}.Normalize()
	t.Key, t.Value, _ = strings.Cut(text[:i], "=")
	return t, t.validate()
}

// wordOf is the stored word of a spelling.
func wordOf[W ~string](spellings map[W]W, word W) W {
	if stored := spellings[word]; stored != "" {
		return stored
	}
	return word
}

func (t Taint) validate() error {
	if t.Key == "" {
		return &FieldError{Field: "key", Problem: "is empty", Bound: textBound(MaxLabelBytes)}
	}
	if err := checkText("key", t.Key, MaxLabelBytes); err != nil {
		return err
	}
	if err := checkText("value", t.Value, MaxLabelBytes); err != nil {
		return err
	}
	return checkEffect(t.Effect)
}

func checkEffect(e Effect) error {
	if new(Effect).UnmarshalText([]byte(e)) != nil {
		return &FieldError{Field: "effect", Value: clip(string(e)), Problem: "is unknown", Bound: effectBound}
	}
	return nil
}

// ValidateTaints checks the taints of a worker: sorted, and one of a key and an effect.
func ValidateTaints(field string, taints []Taint) error {
	if err := checkCount(field, len(taints), MaxTaints); err != nil {
		return err
	}
	for i, t := range taints {
		prefix := fmt.Sprintf("%s[%d].", field, i)
		if err := t.validate(); err != nil {
			return inField(prefix, err)
		}
		if i > 0 && !taints[i-1].above(t) {
			return &FieldError{Field: prefix + "key", Value: clip(t.Key), Problem: "is repeated or out of order", Bound: "one of a key and an effect, sorted"}
		}
	}
	return nil
}

func (t Taint) above(o Taint) bool { return t.Key < o.Key || t.Key == o.Key && t.Effect < o.Effect }

// SetTaints is taints with others laid over those of the same key and effect, sorted.
func SetTaints(taints, others []Taint) []Taint {
	out := slices.Clone(taints)
	for _, t := range others {
		i := slices.IndexFunc(out, func(o Taint) bool { return o.Key == t.Key && o.Effect == t.Effect })
		if i < 0 {
			out = append(out, t)
		} else {
			out[i] = t
		}
	}
	slices.SortFunc(out, Taint.Compare)
	return out
}

// DropTaints is taints without those of a key and, unless it is empty, an effect.
func DropTaints(taints []Taint, key string, effect Effect) []Taint {
	out := slices.DeleteFunc(slices.Clone(taints), func(t Taint) bool { return t.Key == key && (effect == "" || t.Effect == effect) })
	if len(out) == 0 {
		return nil
	}
	return out
}

// TolerationOperator says which values of a taint a Toleration is for.
type TolerationOperator string

// The operators.
const (
	TolerateEqual  TolerationOperator = "equal" // the default
	TolerateExists TolerationOperator = "exists"
)

var tolerationSpellings = map[TolerationOperator]TolerationOperator{
	"": TolerateEqual, "Equal": TolerateEqual, "=": TolerateEqual, "Exists": TolerateExists,
}

// UnmarshalText rejects every word that is not an operator.
func (o *TolerationOperator) UnmarshalText(b []byte) error {
	return decodeWord(o, b, "operator", []TolerationOperator{TolerateEqual, TolerateExists})
}

// Toleration lets a request onto workers with taints of a key.
type Toleration struct {
	Key      string             `json:"key,omitempty"` // empty with exists: every key
	Operator TolerationOperator `json:"operator"`
	Value    string             `json:"value,omitempty"`
	Effect   Effect             `json:"effect,omitempty"` // empty: every effect
}

// Tolerates says whether t lets a request pass a taint.
func (t Toleration) Tolerates(taint Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect {
		return false
	}
	if t.Operator == TolerateExists {
		return t.Key == "" || t.Key == taint.Key
	}
	return t.Key == taint.Key && t.Value == taint.Value
}

// Tolerated says whether one of tolerations lets a request pass a taint.
func Tolerated(tolerations []Toleration, taint Taint) bool {
	for i := range tolerations {
		if tolerations[i].Tolerates(taint) {
			return true
		}
	}
	return false
}

// Evicts is the first of taints that stops a running request, if any.
func Evicts(taints []Taint, tolerations []Toleration) (Taint, bool) {
	for _, t := range taints {
		if t.Effect == EffectNoRun && !Tolerated(tolerations, t) {
			return t, true
		}
	}
	return Taint{}, false
}

func normalizeTolerations(tolerations []Toleration) []Toleration {
	stored := func(t Toleration) Toleration {
		t.Operator, t.Effect = wordOf(tolerationSpellings, t.Operator), wordOf(effectSpellings, t.Effect)
		return t
	}
	if !slices.ContainsFunc(tolerations, func(t Toleration) bool { return t != stored(t) }) {
		return tolerations
	}
	out := slices.Clone(tolerations)
	for i := range out {
		out[i] = stored(out[i])
	}
	return out
}

func (t Toleration) validate() error {
	if err := checkText("key", t.Key, MaxLabelBytes); err != nil {
		return err
	}
	if err := checkText("value", t.Value, MaxLabelBytes); err != nil {
		return err
	}
	if new(TolerationOperator).UnmarshalText([]byte(t.Operator)) != nil {
		return &FieldError{Field: "operator", Value: clip(string(t.Operator)), Problem: "is unknown", Bound: "equal, exists"}
	}
	if t.Operator == TolerateExists && t.Value != "" {
		return &FieldError{Field: "value", Value: clip(t.Value), Problem: "is not empty", Bound: "none with exists"}
	}
	if t.Operator == TolerateEqual && t.Key == "" {
		return &FieldError{Field: "key", Problem: "is empty", Bound: textBound(MaxLabelBytes) + ", or exists for every key"}
	}
	if t.Effect == "" {
		return nil
	}
	return checkEffect(t.Effect)
}

func validateTolerations(tolerations []Toleration) error {
	if err := checkCount("tolerations", len(tolerations), MaxTolerations); err != nil {
		return err
	}
	for i, t := range tolerations {
		if err := t.validate(); err != nil {
			return inField(fmt.Sprintf("tolerations[%d].", i), err)
		}
	}
	return nil
}
