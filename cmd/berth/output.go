package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
)

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "table", Usage: "`FORMAT`: table, json", EnvVars: envOf("output")}
}

// wantsJSON says which output was asked for.
func wantsJSON(c *cli.Context) (bool, error) {
	switch c.String("output") {
	case "table":
		return false, nil
	case "json":
		return true, nil
	}
	return false, usage("%v", &berth.FieldError{Field: "output", Value: c.String("output"), Problem: "is unknown", Bound: "table, json"})
}

// jsonOf is a message with the field names of the API. protojson varies its
// spaces on purpose; here they are always the same.
func jsonOf(m proto.Message, indent string) ([]byte, error) {
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	var out bytes.Buffer
	if indent == "" {
		err = json.Compact(&out, raw)
	} else {
		err = json.Indent(&out, raw, "", indent)
	}
	return out.Bytes(), err
}

// printJSON writes one message.
func printJSON(w io.Writer, m proto.Message) error {
	b, err := jsonOf(m, "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(asIs(w), "%s\n", b)
	return err
}

// printLine writes one message on one line, for streams.
func printLine(w io.Writer, m proto.Message) error {
	b, err := jsonOf(m, "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(asIs(w), "%s\n", b)
	return err
}

// jsonList writes an array, an element at a time.
type jsonList struct {
	w io.Writer
	n int
}

func (l *jsonList) add(m proto.Message) error {
	b, err := jsonOf(m, "")
	if err != nil {
		return err
	}
	return l.addBytes(b)
}

func (l *jsonList) addBytes(b []byte) error {
	lead := "[\n  "
	if l.n++; l.n > 1 {
		lead = ",\n  "
	}
	_, err := fmt.Fprintf(asIs(l.w), "%s%s", lead, b)
	return err
}

func (l *jsonList) end() error {
	text := "\n]\n"
	if l.n == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(l.w, text)
	return err
}

// tellNone says on the standard error that a list is empty, and why it may be: a bare head
// looks like something that failed.
func tellNone(c *cli.Context, why string) { fmt.Fprintf(c.App.ErrWriter, "berth: %s\n", why) }

// terminal says whether w is one that takes colours.
func terminal(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && isTerminal(w)
}

// isTerminal says whether a stream is one: with lines that can be written over, and somebody who
// answers.
func isTerminal(stream any) bool {
	if w, ok := stream.(io.Writer); ok {
		stream = asIs(w)
	}
	f, ok := stream.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// columnsOf is how wide a terminal is: 0 where a stream is none, or does not tell.
func columnsOf(w io.Writer) int {
	f, ok := asIs(w).(*os.File)
	if !ok || !isTerminal(f) {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// Colours of words that tell how something stands.
const (
	green, yellow, red, blue, plain = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[34m", "\x1b[0m"
)

var colours = map[string]string{
	"RUNNING": blue, "STARTING": blue, "PLACED": blue, "PENDING": yellow, "BLOCKED": yellow,
	"SUCCEEDED": green, "FAILED": red, "LOST": red, "EXPIRED": red, "CANCELLED": yellow, "REPLACED": green, "REFUSED": red,
	"ready": green, "opening": blue, "cordoned": yellow, "draining": yellow, "removing": yellow, "suspended": red, "lost": red, "lost (braked)": red, "engaged": red, "released": yellow,
}

// painter colours known words on a terminal.
func painter(w io.Writer) func(int, string) string {
	if !terminal(w) {
		return nil
	}
	return func(_ int, text string) string {
		word, _, _ := strings.Cut(text, " ") // "draining 3/20"
		if c := colours[word]; c != "" && (word == text || word == "draining" || word == "removing") {
			return c + text + plain
		}
		return text
	}
}

// age is how long ago, in the largest unit that says enough.
func age(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil {
		return "-"
	}
	return short(now.Sub(t.AsTime()))
}

func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// cores of thousandths: 0.1, 12.
func cores(milli int64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%03d", milli/1000, milli%1000), "0"), ".")
}

func bytesOf(n int64) string {
	if n <= 0 {
		return "0"
	}
	return strings.ReplaceAll(humanize.IBytes(uint64(n)), " ", "")
}

// tenthsOf is bytesOf, with a tenth where there is more than what a whole number says, and never more than there is: the card that is sold
// as of 80 GB has 79.6 GiB, and 80 do not fit.
func tenthsOf(n int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		size := int64(1) << (40 - 10*i)
		if n < size {
			continue
		}
		if n >= 10*size && n%size == 0 {
			return fmt.Sprintf("%d%s", n/size, unit)
		}
		return fmt.Sprintf("%d.%d%s", n/size, n%size*10/size, unit)
	}
	return bytesOf(n)
}

// orDash shows that there is nothing to show.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// fit is a message on one line, which is cut where a person reads it on a terminal; a pipe gets all of it. The
// last words of a line have what the terminal is wide: see table.
func fit(w io.Writer, s string, most int) string {
	if !isTerminal(w) {
		most = math.MaxInt
	}
	return clip(s, most)
}

// oneLine is a message without its ends of lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// clip keeps a message on one line.
func clip(s string, most int) string {
	s = oneLine(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
