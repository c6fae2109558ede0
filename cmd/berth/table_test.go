package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// onTerminal is what write writes to a terminal of so many columns; of 0, to none.
func onTerminal(t *testing.T, columns int, write func(io.Writer) error) string {
	t.Helper()
	if columns == 0 {
		var out bytes.Buffer
		if err := write(forPeople{&out}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	screen := terminalFor(t)
	fd := int(screen.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	program, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Setenv("NO_COLOR", "1")
	read := make(chan string, 1) // the reader's, once
	go func() {
		all, err := bufio.NewReader(screen).ReadString(0)
		if err != nil {
			t.Errorf("of a terminal, before its last byte: %v", err)
		}
		read <- strings.TrimSuffix(all, "\x00")
	}()
	err = write(forPeople{program})
	// A byte of its own ends what is read: what stands in a terminal when its program's side closes
	// may be lost.
	if _, ended := program.Write([]byte{0}); err != nil || ended != nil {
		t.Fatal(err, ended)
	}
	got := <-read
	if err := program.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(got, "\r\n", "\n")
}

// The words of a table take what is left of a terminal's width; whatever else there is, and what no
// terminal shows, is whole.
func TestTable_Width(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("no room ", 30)) // 239
	for name, tt := range map[string]struct {
		columns int
		words   string
		rows    [][]string
		want    string
	}{
		"no terminal":        {0, "NOTE", [][]string{{"ID", "NOTE"}, {"a", long}}, "ID  NOTE\na   " + long + "\n"},
		"a narrow one":       {60, "NOTE", [][]string{{"ID", "NOTE"}, {"a", long}}, "ID  NOTE\na   " + long[:55] + "…\n"},
		"a wide one":         {200, "NOTE", [][]string{{"ID", "NOTE"}, {"a", long}}, "ID  NOTE\na   " + long[:195] + "…\n"},
		"enough for all":     {243, "NOTE", [][]string{{"ID", "NOTE"}, {"a", long}}, "ID  NOTE\na   " + long + "\n"},
		"none left":          {30, "NOTE", [][]string{{"ID", "NOTE"}, {strings.Repeat("i", 28), long}}, "ID" + strings.Repeat(" ", 28) + "NOTE\n" + strings.Repeat("i", 28) + "  " + long[:19] + "…\n"},
		"characters":         {30, "NOTE", [][]string{{"ID", "NOTE"}, {"é", strings.Repeat("ü", 40)}}, "ID  NOTE\né   " + strings.Repeat("ü", 25) + "…\n"},
		"words in the midst": {40, "NOTE", [][]string{{"ID", "NOTE", "HOST"}, {"a", long, "h1"}, {"b"}}, "ID  NOTE" + strings.Repeat(" ", 28) + "HOST\na   " + long[:29] + "…  h1\nb\n"},
		"no words":           {60, "", [][]string{{"ID", "UUID"}, {"a", long}}, "ID  UUID\na   " + long + "\n"},
		"none of that head":  {60, "LOANS", [][]string{{"ID", "UUID"}, {"a", long}}, "ID  UUID\na   " + long + "\n"},
		"nothing":            {60, "NOTE", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			list := table{words: tt.words}
			for _, row := range tt.rows {
				list.add(row...)
			}
			if got := onTerminal(t, tt.columns, list.write); got != tt.want {
				t.Errorf("got\n%s, want\n%s", got, tt.want)
			}
		})
	}
}

// Every verb whose table ends with words fits on a terminal, and is whole in a pipe.
func TestTable_Verbs(t *testing.T) {
	end := "the very end"
	long := strings.Repeat("because of this ", 20) + end
	member := &berthv1.Status{Id: "a.0", State: "FAILED", Reason: "cancelled", Message: long}
	quota := &berthv1.Quota{Tenant: "red", Pool: "gpu", Limits: map[string]int64{"cpu": 1000}, Guaranteed: map[string]int64{"cpu": 1000}}
	for range 20 {
		quota.Lent = append(quota.Lent, &berthv1.Loan{Tenant: "vision-research", Amounts: map[string]int64{"cpu": 1000}})
	}
	quota.Lent[19].Tenant = end
	for name, write := range map[string]func(io.Writer) error{
		"group that has ended": func(w io.Writer) error {
			return printEndedGroup(w, &berthv1.Group{Id: "a", State: "FAILED", Spec: &berthv1.Request{}}, []*berthv1.Status{member})
		},
		"submit": func(w io.Writer) error {
			return tellResults(w, []*berthv1.SubmitResult{{Id: "a", Refusal: &berthv1.Refusal{Message: long}}})
		},
		"workers": func(w io.Writer) error {
			return printWorkers(w, []*berthv1.Worker{{Id: "w1", Pool: "gpu", State: "cordoned", Message: long}}, false)
		},
		"tenants": func(w io.Writer) error { return printQuotas(w, []*berthv1.Quota{quota}, nil) },
		"watch": func(w io.Writer) error {
			_, err := fmt.Fprintln(w, new(watchLines).line(member, time.Now(), columnsOf(w)))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := onTerminal(t, 0, write); !strings.Contains(got, end) || strings.Contains(got, "…") {
				t.Errorf("in a pipe:\n%s", got)
			}
			for _, columns := range []int{100, 200} {
				got := onTerminal(t, columns, write)
				if longest := longestLine(got); longest != columns || strings.Contains(got, end) {
					t.Errorf("of %d columns, the longest line has %d:\n%s", columns, longest, got)
				}
			}
		})
	}
}

func longestLine(text string) (longest int) {
	for line := range strings.Lines(text) {
		longest = max(longest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return longest
}

// The same of what a daemon tells.
func TestTable_Daemon(t *testing.T) {
	withLocal(t, func(s *shell) {
		end := strings.Repeat("z", 60) + "-the-end"
		s.want(exitGood, "", "submit", "-q", "--id", "a", "--constraint", "zone="+end, "--", "true")
		s.until("BLOCKED", "list")
		for _, verb := range []string{"list", "plan"} {
			write := func(w io.Writer) error {
				if code := run(t.Context(), []string{"berth", verb}, strings.NewReader(""), asIs(w), io.Discard); code != exitGood && code != exitNotPlaced {
					return fmt.Errorf("exit %d", code)
				}
				return nil
			}
			if got := onTerminal(t, 0, write); !strings.Contains(got, end) || strings.Contains(got, "…") {
				t.Errorf("%s in a pipe:\n%s", verb, got)
			}
			if got := onTerminal(t, 100, write); longestLine(got) != 100 || strings.Contains(got, end) {
				t.Errorf("%s on a terminal of 100 columns:\n%s", verb, got)
			}
		}
	})
}

// What somebody said of an order or a brake is told whole: it may be what the next one needs.
func TestMessages_Whole(t *testing.T) {
	message := strings.Repeat("because of this ", 20) + "the very end"
	for name, got := range map[string]string{
		"a stop order": orderText(&berthv1.StopOrder{Reason: "cancelled", Message: message}),
		"a brake":      brakeNext(&berthv1.Brake{State: "released", Message: message}, time.Now()),
	} {
		if !strings.Contains(got, message) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Lines that come one by one have narrow columns until something is longer.
func TestWatchLines(t *testing.T) {
	var lines watchLines
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		s       *berthv1.Status
		columns int
		want    string
	}{
		{&berthv1.Status{Id: "a", State: "PENDING"}, 0, "03:04:05.000  a  PENDING    -"},
		{&berthv1.Status{Id: "long", State: "RUNNING", Worker: "w-1"}, 100, "03:04:05.000  long  RUNNING    w-1"},
		{&berthv1.Status{Id: "a", State: "CANCELLED", Worker: "w", Message: strings.Repeat("by hand ", 9)}, 60, "03:04:05  a     CANCELLED  w    by hand by hand by hand by …"},
	} {
		if got := lines.line(tt.s, at, tt.columns); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
