package wire

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func TestNumberError(t *testing.T) {
	for _, tt := range []struct{ name, text, field, bound string }{
		{"beyond 32 bits", `{"requests": [{"id": "a"}, {"priority": 2147483648}]}`, "requests[1].priority", "-2147483648 to 2147483647"},
		{"beyond 64 bits", `{"requests": [{"retry": {"backoff_ms": 9223372036854775808}}]}`, "requests[0].retry.backoff_ms", "-9223372036854775808 to 9223372036854775807"},
		{"by the other name", `{"requests": [{"stopTimeoutMs": "9223372036854775808"}]}`, "requests[0].stop_timeout_ms", "-9223372036854775808 to 9223372036854775807"},
		{"far beyond", `{"requests": [{"resources": {"cpu_milli": 1e999999}}]}`, "requests[0].resources.cpu_milli", "-9223372036854775808 to 9223372036854775807"},
		{"in a map", `{"requests": [{"resources": {"custom": {"x": 1, "y": 1e30}}}]}`, "requests[0].resources.custom.y", "-9223372036854775808 to 9223372036854775807"},
		{"a fraction", `{"requests": [{"priority": 0.5}]}`, "requests[0].priority", "-2147483648 to 2147483647"},
		{"a word", `{"requests": [{"priority": "high"}]}`, "requests[0].priority", "-2147483648 to 2147483647"},
		{"another type", `{"requests": [{"priority": {"x": 1}}]}`, "", ""},
		{"something else", `{"requests": [{"id": 5}]}`, "", ""},
		{"no JSON", `{`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &berthv1.SubmitRequest{}
			if protojson.Unmarshal([]byte(tt.text), m) == nil {
				t.Fatal("protojson takes it")
			}
			err := NumberError([]byte(tt.text), m.ProtoReflect().Descriptor())
			fe, ok := errors.AsType[*berth.FieldError](err)
			if !ok && tt.field != "" || ok && (fe.Field != tt.field || fe.Bound != tt.bound) {
				t.Errorf("got %v, want %s and %s", err, tt.field, tt.bound)
			}
		})
	}
}

// What protojson takes is never called wrong.
func FuzzNumberError(f *testing.F) {
	f.Add(`{"requests": [{"id": "a", "priority": 1e2, "retry": {"backoff_ms": "17"}, "resources": {"custom": {"x": 3.0}}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		m := &berthv1.SubmitRequest{}
		if protojson.Unmarshal([]byte(text), m) != nil {
			return
		}
		if err := NumberError([]byte(text), m.ProtoReflect().Descriptor()); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
