package scheduler

import (
	"fmt"
	"strconv"
)

// value is what a worker is judged by: in words, and for programs as the one of the two that it is.
type value struct {
	words  string
	is     *bool
	number *float64
}

func whether(is bool) value {
	words := "no"
	if is {
		words = "yes"
	}
	return value{words: words, is: &is}
}

func number(x float64, words string) value { return value{words: words, number: &x} }

func count(n int64) value { return number(float64(n), strconv.FormatInt(n, 10)) }

// lossValue is a loss in thousandths of a device.
func lossValue(loss int64) value {
	x := float64(loss) / lossUnit
	return number(x, strconv.FormatFloat(x, 'f', -1, 64))
}

// loadValue is a load as a part of 1, and in hundredths, with one digit behind the point.
func loadValue(f fraction) value {
	if f.den == 0 {
		return number(1, "full")
	}
	x := float64(f.num) / float64(f.den)
	return number(x, strconv.FormatFloat(100*x, 'f', 1, 64)+"%")
}

// avoidedValue is whether a worker is avoided, and of several which in the order in which the request has failed to start on them: it goes by that where it has on all.
func avoidedValue(at, of int) value {
	v := whether(at > 0)
	if at > 0 && of > 1 {
		v.words = fmt.Sprintf("%s (%d of %d)", v.words, at, of)
	}
	return v
}
