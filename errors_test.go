package berth_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/berthd/berth"
)

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		most       int
		want       string
	}{
		{"short", "abc", 3, "abc"},
		{"long", "abcd", 3, "abc..."},
		{"within a character", "aéé", 4, "aé..."},
		{"of one character alone", "€", 2, "..."},
		{"no UTF-8", "a\xffb", 9, "a?b"},
		{"no UTF-8 at the cut", "ab\xff\xff\xff\xff", 4, "ab?..."},
		{"continuation bytes alone", "\x80\x80\x80\x80", 2, "..."},
		{"nothing", "", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := berth.Clip(tt.text, tt.most); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	bad := berth.CheckID("id", "a"+strings.Repeat("é", 70))
	if bad == nil || !utf8.ValidString(bad.Error()) {
		t.Errorf("%q is no UTF-8", bad)
	}
}
