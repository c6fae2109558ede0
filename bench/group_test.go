package bench

import (
	"os"
	"testing"
	"time"
)

func TestGroup(t *testing.T) {
	for _, beside := range []int{0, 200} {
		dir := t.TempDir()
		r, err := Group(t.Context(), GroupOptions{Options: Options{StoreDir: dir, Requests: 5, Say: t.Logf}, Size: 8, Beside: beside, Pause: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if r.Interrupted || len(r.Violations) > 0 || r.Groups != 5 || r.P50MS == nil || *r.P50MS <= 0 {
			t.Errorf("beside %d: %+v", beside, r)
		}
		if beside == 0 && (r.Others != nil || r.Limit == nil || *r.Ratio <= 0 || *r.Txns < 1) {
			t.Errorf("alone: %+v", r)
		}
		if beside > 0 && (r.Limit != nil || r.Others == nil || r.Others.PerS <= 0 || r.Others.P50MS == nil) {
			t.Errorf("beside %d: others %+v", beside, r.Others)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
}

func TestGroup_Refused(t *testing.T) {
	for _, o := range []GroupOptions{{Size: -1}, {Size: 1001}, {Beside: -1}, {Pause: time.Hour}, {Options: Options{Requests: -1}}} {
		if _, err := Group(t.Context(), o); err == nil {
			t.Errorf("%+v is measured", o)
		}
	}
}
