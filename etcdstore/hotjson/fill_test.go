package hotjson_test

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// records are new records of the kinds that this package knows, by their kind.
func records() map[berth.Kind]any {
	return map[berth.Kind]any{
		berth.KindRequest: new(berth.Submission), berth.KindState: new(berth.Progress), berth.KindAllocation: new(berth.Allocation),
		berth.KindLedger: new(berth.Ledger), berth.KindArchive: new(berth.Archive),
		berth.KindPlan: new(berth.PlanBasis),
	}
}

// words are one of each type that takes only those of a list.
var words = map[reflect.Type]string{
	reflect.TypeFor[berth.State]():              string(berth.StateRunning),
	reflect.TypeFor[berth.EndReason]():          string(berth.EndOOM),
	reflect.TypeFor[berth.StopReason]():         string(berth.StopDrain),
	reflect.TypeFor[berth.ExitKind]():           string(berth.ExitSignaled),
	reflect.TypeFor[berth.Operator]():           string(berth.OperatorNotIn),
	reflect.TypeFor[berth.TolerationOperator](): string(berth.TolerateExists),
	reflect.TypeFor[berth.Effect]():             string(berth.EffectNoRun),
	reflect.TypeFor[berth.OnDrain]():            string(berth.OnDrainReplace),
	reflect.TypeFor[berth.Preemption]():         string(berth.PreemptionLower),
	reflect.TypeFor[berth.RetryEnd]():           string(berth.RetryLost),
}

// source gives values for fields.
type source struct {
	text    func() string
	number  func() int64
	moment  func() time.Time
	count   func() int // of a list or a map
	present func() bool
}

// fill sets every field of v, at any depth.
func (s source) fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(s.moment()))
		return
	case words[v.Type()] != "":
		if s.present() {
			v.SetString(words[v.Type()])
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" { // else no record holds it
				s.fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		if s.present() {
			v.Set(reflect.New(v.Type().Elem()))
			s.fill(v.Elem())
		}
	case reflect.Slice:
		if n := s.count(); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			if word := words[v.Type().Elem()]; word != "" {
				v.Index(i).SetString(word) // in a list no word is left out
				continue
			}
			s.fill(v.Index(i))
		}
	case reflect.Map:
		n := s.count()
		if n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
		}
		for range n {
			one := reflect.New(v.Type().Elem()).Elem()
			s.fill(one)
			v.SetMapIndex(reflect.ValueOf(s.text()).Convert(v.Type().Key()), one)
		}
	case reflect.String:
		v.SetString(s.text())
	case reflect.Bool:
		v.SetBool(s.present())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(s.number())
	case reflect.Uint64:
		v.SetUint(uint64(s.number()))
	default:
		panic(fmt.Sprintf("a field of type %s: teach fill and the coder", v.Type()))
	}
}

// full sets every field to something else, none of it empty.
func full() source {
	n := 0
	next := func() int { n++; return n }
	return source{
		text:    func() string { return fmt.Sprintf("text-%d", next()) },
		number:  func() int64 { return int64(next()) },
		moment:  func() time.Time { return time.Date(2026, 11, 25, 3, 7, 9, next(), time.UTC) },
		count:   func() int { return 2 },
		present: func() bool { return true },
	}
}

// drawn are values as rapid draws them: what is left out, escaped, is no UTF-8, is
// huge or cannot be written among them.
func drawn(t *rapid.T) source {
	texts := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9._-]{0,12}`), rapid.String(),
		rapid.SampledFrom([]string{"<b>&", "\u2028", "\xff", "a\x00b", "\u007f", "\\\"/", "\u00e9", "\U0001f6a2", "\t"}),
	)
	numbers := rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64(), rapid.SampledFrom([]int64{
		math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, 999_999_999_999_999_999, 1_000_000_000_000_000_000,
	}))
	return source{
		text:    func() string { return texts.Draw(t, "text") },
		number:  func() int64 { return numbers.Draw(t, "number") },
		count:   func() int { return rapid.IntRange(-1, 3).Draw(t, "count") },
		present: func() bool { return rapid.Bool().Draw(t, "present") },
		moment: func() time.Time {
			if rapid.Bool().Draw(t, "zero") {
				return time.Time{}
			}
			at := time.Unix(rapid.Int64Range(-100_000_000_000, 300_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
			return at.In(time.FixedZone("", rapid.SampledFrom([]int{0, 3600, -1800, 7, 86_400}).Draw(t, "zone")))
		},
	}
}
