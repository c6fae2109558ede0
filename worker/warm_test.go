package worker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/berthd/berth"
)

// The keys of what was started last are warm, as many as there is room for beside those
// that the operator names; who reads the news reads all of them.
func TestWarmth_Bounded(t *testing.T) {
	w := newWarmth([]string{"named"})
	if got := w.keys(); !slices.Equal(got, []string{"named"}) {
		t.Errorf("at first %v", got)
	}
	for i := range 2 * berth.MaxWarmKeys {
		w.note(fmt.Sprintf("k%03d", i))
		w.note("often")
	}
	got := w.keys()
	if len(got) != berth.MaxWarmKeys || !slices.IsSorted(got) {
		t.Fatalf("%d keys, sorted: %t", len(got), slices.IsSorted(got))
	}
	for _, key := range []string{"named", "often", fmt.Sprintf("k%03d", 2*berth.MaxWarmKeys-1)} {
		if !slices.Contains(got, key) {
			t.Errorf("%q is not among %v", key, got)
		}
	}
	if slices.Contains(got, "k000") {
		t.Error("the oldest has stayed")
	}
	if err := berth.ValidateWarmKeys("warm_keys", got); err != nil {
		t.Error(err)
	}
}

// News is what was not known: no key that is warm already, and none that is empty.
func TestWarmth_News(t *testing.T) {
	w := newWarmth([]string{"named"})
	news := func(key string) bool {
		w.note(key)
		select {
		case <-w.news:
			return true
		default:
			return false
		}
	}
	for _, tt := range []struct {
		key  string
		want bool
	}{{"", false}, {"named", false}, {"a", true}, {"b", true}, {"a", false}} {
		if got := news(tt.key); got != tt.want {
			t.Errorf("%q is news: %t, want %t", tt.key, got, tt.want)
		}
	}
}

func TestOptions_WarmKeys(t *testing.T) {
	for name, keys := range map[string][]string{
		"empty": {"a", ""}, "long": {string(make([]byte, berth.MaxLabelBytes+1))}, "many": make([]string, berth.MaxWarmKeys+1),
	} {
		if err := berth.ValidateWarmKeys("warm_keys", keys); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
