package scheduler

import (
	"slices"
	"strconv"

	"github.com/berthd/berth"
)

// Shape is what a verdict on r depends on: its pool, demand, how long it lasts,
// whether it has an image, constraints, tolerations, and what is required of where other requests are. Equal
// shapes get equal verdicts, so a blocked request speaks for all of its shape.
func Shape(r *berth.Request) string {
	d := &r.Resources
	b := strconv.AppendQuote(make([]byte, 0, 96), string(r.Pool))
	for _, v := range vectorOf(&d.Quantities) {
		b = strconv.AppendInt(append(b, ' '), v, 10)
	}
	b = appendCustom(b, d.Custom)
	b = appendPorts(b, d.Ports)
	for _, dev := range d.Devices {
		b = append(b, " d"...)
		b = strconv.AppendInt(b, dev.Count, 10)
		b = strconv.AppendInt(append(b, 'x'), dev.Milli, 10)
		if dev.MemoryBytes > 0 {
			b = strconv.AppendInt(append(b, 'm'), dev.MemoryBytes, 10)
		}
		for _, t := range dev.Types {
			b = strconv.AppendQuote(b, t)
		}
		if dev.AnyOrder {
			b = append(b, 'o')
		}
		if dev.Linked {
			b = append(b, 'l')
		}
		if dev.Link != "" {
			b = strconv.AppendQuote(append(b, 'L'), dev.Link)
		}
	}
	if r.Image != "" { // which one it is decides only where it goes first
		b = append(b, " i"...)
	}
	if ms := lastsAtMost(r); ms > 0 { // see askKept
		b = strconv.AppendInt(append(b, " e"...), ms, 10)
	}
	b = appendTolerations(appendConstraints(b, r.Constraints), r.Tolerations)
	return string(appendTerms(b, r))
}

func appendCustom(b []byte, custom map[string]int64) []byte {
	names := make([]string, 0, len(custom))
	for name, v := range custom {
		if v != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		b = strconv.AppendQuote(append(b, " u"...), name)
		b = strconv.AppendInt(append(b, '='), custom[name], 10)
	}
	return b
}

// appendPorts leaves out the names: they do not decide.
func appendPorts(b []byte, ports []berth.PortDemand) []byte {
	numbers := make([]int32, 0, len(ports))
	for _, p := range ports {
		numbers = append(numbers, p.Number)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		b = strconv.AppendInt(append(b, " p"...), int64(n), 10)
	}
	return b
}

// appendConstraints sorts them, and their values: all must hold, in any order.
func appendConstraints(b []byte, constraints []berth.Constraint) []byte {
	words := make([]string, 0, len(constraints))
	for _, c := range constraints {
		w := strconv.AppendQuote([]byte(" c"), c.Label)
		w = append(append(w, ' '), c.Operator...)
		values := slices.Clone(c.Values)
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			w = strconv.AppendQuote(append(w, ' '), v)
		}
		words = append(words, string(w))
	}
	return appendSet(b, words)
}

func appendTolerations(b []byte, tolerations []berth.Toleration) []byte {
	if len(tolerations) == 0 {
		return b
	}
	words := make([]string, 0, len(tolerations))
	for _, t := range tolerations {
		w := strconv.AppendQuote([]byte(" t"), t.Key)
		w = strconv.AppendQuote(append(w, t.Operator...), t.Value)
		words = append(words, string(append(w, t.Effect...)))
	}
	return appendSet(b, words)
}

func appendSet(b []byte, words []string) []byte {
	slices.Sort(words)
	for _, w := range slices.Compact(words) {
		b = append(b, w...)
	}
	return b
}
