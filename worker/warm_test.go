package worker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/berthd/berth"
)

// The names of what was started last are among those that are warm, as many as there is
// room for beside those that the operator names.
func TestNamed_Bounded(t *testing.T) {
	n := named{most: 32, fixed: []string{"named"}}
	if got := n.all(); !slices.Equal(got, []string{"named"}) {
		t.Errorf("at first %v", got)
	}
	for i := range 64 {
		n.note(fmt.Sprintf("k%03d", i))
		n.note("often")
	}
	got := n.all()
	if len(got) != 32 || !slices.IsSorted(got) {
		t.Fatalf("%d names, sorted: %t", len(got), slices.IsSorted(got))
	}
	for _, name := range []string{"named", "often", "k063"} {
		if !slices.Contains(got, name) {
			t.Errorf("%q is not among %v", name, got)
		}
	}
	if slices.Contains(got, "k000") {
		t.Error("the oldest has stayed")
	}
}

// What is said is what may be said, however much was started.
func TestWarmth_Says(t *testing.T) {
	w := newWarmth([]string{"key"}, []string{"image"})
	for i := range 2 * berth.MaxWarmImages {
		w.note(fmt.Sprint("k", i), fmt.Sprint("i", i))
	}
	var c berth.Conditions
	w.say(&c)
	if len(c.WarmKeys) != berth.MaxWarmKeys || len(c.WarmImages) != berth.MaxWarmImages {
		t.Errorf("%d keys and %d images", len(c.WarmKeys), len(c.WarmImages))
	}
	if err := berth.ValidateWarmKeys("warm_keys", c.WarmKeys); err != nil {
		t.Error(err)
	}
	if err := berth.ValidateWarmImages("warm_images", c.WarmImages); err != nil {
		t.Error(err)
	}
}

// News is what was not known: neither what is warm already, nor what is empty.
func TestWarmth_News(t *testing.T) {
	w := newWarmth([]string{"named"}, []string{"there"})
	news := func(key, image string) bool {
		w.note(key, image)
		select {
		case <-w.news:
			return true
		default:
			return false
		}
	}
	for _, tt := range []struct {
		key, image string
		want       bool
	}{
		{"", "", false},
		{"named", "there", false},
		{"a", "", true},
		{"b", "there", true},
		{"a", "b", true},
		{"a", "b", false},
		{"", "c", true},
	} {
		if got := news(tt.key, tt.image); got != tt.want {
			t.Errorf("%q, %q is news: %t, want %t", tt.key, tt.image, got, tt.want)
		}
	}
}

func TestOptions_Warm(t *testing.T) {
	for name, keys := range map[string][]string{
		"empty": {"a", ""}, "long": {string(make([]byte, berth.MaxLabelBytes+1))}, "many": make([]string, berth.MaxWarmKeys+1),
	} {
		if err := berth.ValidateWarmKeys("warm_keys", keys); err == nil {
			t.Errorf("keys, %s: taken", name)
		}
	}
	for name, images := range map[string][]string{
		"empty": {"a", ""}, "long": {string(make([]byte, berth.MaxPathBytes+1))}, "many": make([]string, berth.MaxWarmImages+1), "NUL": {"a\x00"},
	} {
		if err := berth.ValidateWarmImages("warm_images", images); err == nil {
			t.Errorf("images, %s: taken", name)
		}
	}
	opts := Options{ID: "w", Store: newSite(t).store, Runtime: newFakeRuntime(), WarmImages: []string{"train"}, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1}}}
	if _, err := New(opts); err == nil {
		t.Error("a runtime that takes no images: taken")
	}
	runtime := newFakeRuntime()
	runtime.images = true
	opts.Runtime = runtime
	w, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if rec := w.opts.registration("s", "l", w.opts.TTL); !rec.Images {
		t.Error("its registration does not say that it takes images")
	}
}
