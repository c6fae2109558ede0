package berth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FieldError is one value of a user's input that is out of its bound.
type FieldError struct {
	Field   string // as the user wrote it: "resources.cpu_milli"
	Value   string // what was given, clipped; empty where it says nothing
	Problem string // "is negative"
	Bound   string // "0 to 1000000000"
}

func (e *FieldError) Error() string {
	s := e.Field
	if e.Value != "" {
		s += " " + strconv.Quote(e.Value)
	}
	s += " " + e.Problem
	if e.Bound != "" {
		s += "; allowed: " + e.Bound
	}
	return s
}

// ErrOverflow reports a sum outside int64 or below zero. Validated input cannot
// produce it; a corrupt record can.
var ErrOverflow = errors.New("resource arithmetic overflows")

// clip bounds what an error quotes.
func clip(s string) string { return Clip(s, 64) }

// Clip bounds text to so many bytes, and "..." where it was longer. It never cuts a
// character in two, and what is no UTF-8 becomes question marks: text that is not
// can stand in no message of the API.
func Clip(s string, most int) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// CheckMessage checks the free text that a person or a program gives with a word:
// why a request is cancelled, a worker cordoned, a brake released.
func CheckMessage(field, message string) error { return checkText(field, message, MaxMessageBytes) }

// inField puts a prefix before the field of a FieldError.
func inField(prefix string, err error) error {
	if fe, ok := errors.AsType[*FieldError](err); ok {
		inner := *fe
		inner.Field = prefix + inner.Field
		return &inner
	}
	return err
}

func checkRange(field string, v, low, high int64) error {
	if v >= low && v <= high {
		return nil
	}
	problem := "is too large"
	if v < low {
		problem = "is too small"
		if v < 0 {
			problem = "is negative"
		}
	}
	return &FieldError{Field: field, Value: strconv.FormatInt(v, 10), Problem: problem, Bound: fmt.Sprintf("%d to %d", low, high)}
}

func checkCount(field string, n, most int) error {
	if n <= most {
		return nil
	}
	return &FieldError{Field: field, Problem: fmt.Sprintf("has %d entries", n), Bound: fmt.Sprintf("at most %d", most)}
}

func checkBytes(field, v string, most int) error {
	if len(v) <= most {
		return nil
	}
	return &FieldError{Field: field, Value: clip(v), Problem: fmt.Sprintf("is %d bytes", len(v)), Bound: fmt.Sprintf("at most %d bytes", most)}
}
