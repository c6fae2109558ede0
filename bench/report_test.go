package bench

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Every field of the JSON stands in docs/performance.md, and no other.
func TestReport_Documented(t *testing.T) {
	doc, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| ").FindAllStringSubmatch(string(doc), -1) {
		for _, name := range regexp.MustCompile("`([a-z0-9_.]+)`").FindAllStringSubmatch(m[1], -1) {
			got[name[1]] = true
		}
	}
	want := map[string]bool{}
	fieldsOf(reflect.TypeFor[Report](), "", want)
	fieldsOf(reflect.TypeFor[RunReport](), "", want)
	fieldsOf(reflect.TypeFor[StartReport](), "", want)
	fieldsOf(reflect.TypeFor[GroupReport](), "", want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/performance.md (-report +table):\n%s", diff)
	}
}

// fieldsOf names the fields of what is written as JSON. Those of a socket are the
// process's.
func fieldsOf(of reflect.Type, under string, names map[string]bool) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return
	}
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			fieldsOf(f.Type, under, names)
		case name == "" || !f.IsExported():
		case name == "socket" || name == "against" && of == reflect.TypeFor[Report]():
			names[name] = true
		default:
			names[under+name] = true
			fieldsOf(f.Type, under+name+".", names)
		}
	}
}

func TestMedian(t *testing.T) {
	if median(nil) != nil {
		t.Error("of nothing")
	}
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tt.values); *got != tt.want {
			t.Errorf("%v: %v, want %v", tt.values, *got, tt.want)
		}
	}
}

func TestLatency(t *testing.T) {
	l, more := NewLatency(), NewLatency()
	if l.MS(50) != nil || l.Bars() != nil {
		t.Errorf("empty: %v %v", l.MS(50), l.Bars())
	}
	l.Record(time.Hour)       // counts as ten minutes
	more.Record(-time.Second) // a microsecond
	for range 98 {
		more.Record(3 * time.Millisecond)
	}
	l.Add(more)
	if got := *l.MS(50); got < 2.99 || got > 3.01 || l.Count() != 100 {
		t.Errorf("median of %d is %v", l.Count(), got)
	}
	var total int64
	bars := l.Bars()
	for i, b := range bars {
		total += b.Count
		if i > 0 && b.UpToMS != 2*bars[i-1].UpToMS {
			t.Errorf("ranges %v", bars)
		}
	}
	if total != 100 || bars[0].Count != 1 || bars[len(bars)-1].Count != 1 {
		t.Errorf("bars %v", bars)
	}
}

func TestParseMetrics(t *testing.T) {
	text := "# HELP x\n" + metricFsyncs + " 42\nother 7\n" + metricCPU + " 1.5\n"
	m, err := parseMetrics(strings.NewReader(text))
	if err != nil || m.fsyncs != 42 || m.cpu != 1500*time.Millisecond {
		t.Errorf("%+v %v", m, err)
	}
	for _, text := range []string{"", "other 1\n", metricFsyncs + " many\n"} {
		if m, err := parseMetrics(strings.NewReader(text)); err == nil {
			t.Errorf("%q is %+v", text, m)
		}
	}
}

// The rate of bursts is the median's: one that met a pause does not count for ten.
func TestMeasure_OfBursts(t *testing.T) {
	m := Measure{Placements: 300, Wall: 10 * time.Second}
	m.ofBursts([]time.Duration{9 * time.Second, 10 * time.Millisecond, 20 * time.Millisecond}, 100)
	if m.PerS() != 5000 || m.Latency.Count() != 3 {
		t.Errorf("%v/s of %d", m.PerS(), m.Latency.Count())
	}
}
