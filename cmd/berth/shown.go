package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown is text as a terminal may have it: what others wrote, a message or a command, say, may hold sequences that
// colour what follows, write over lines or name the window. Control characters, and what turns the
// direction of writing, are as they are in a refusal: \x1b. A newline ends a line only where it is layout.
func shown(text string, newlines bool) string {
	acts := func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) && (r != '\n' || !newlines) || unicode.Is(unicode.Bidi_Control, r)
	}
	if strings.IndexFunc(text, acts) < 0 {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1: // a byte of no character: some terminals take it for a control
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case acts(r) && r != utf8.RuneError:
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		default:
			out.WriteRune(r)
		}
		i += size
	}
	return out.String()
}

// forPeople is where all goes that a verb says: it writes as shown, so that none has to think of it.
// What is no text for people, or has colours of our own, goes to asIs of it.
type forPeople struct{ to io.Writer }

func (p forPeople) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.to, shown(string(b), true)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// asIs is the stream itself: for JSON, the output of containers, and what is shown already.
func asIs(w io.Writer) io.Writer {
	if p, ok := w.(forPeople); ok {
		return p.to
	}
	return w
}
