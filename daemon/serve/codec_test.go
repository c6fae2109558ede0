package serve

import (
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func TestStrictJSON_Numbers(t *testing.T) {
	for text, want := range map[string]string{
		`{"requests": [{"id": "a", "priority": 4294967301}]}`: `requests[0].priority "4294967301" is out of range; allowed: -2147483648 to 2147483647`,
		`{"requests": [{"id": "a", "colour": 1}]}`:            "unknown field",
	} {
		if err := (strictJSON{"json"}).Unmarshal([]byte(text), &berthv1.SubmitRequest{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
