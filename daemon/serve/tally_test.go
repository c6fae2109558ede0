package serve

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// full has all that a request may have of most things.
func full() *berthv1.Request {
	r := &berthv1.Request{Env: map[string]string{}, Labels: map[string]string{}, Group: &berthv1.Membership{}, Retry: &berthv1.RetryPolicy{}}
	r.Resources = &berthv1.Demand{Custom: map[string]int64{}}
	times := func(n int, add func(name string)) {
		for i := range n {
			add(fmt.Sprint("n", i))
		}
	}
	times(berth.MaxCommandArgs, func(n string) { r.Command = append(r.Command, n) })
	times(berth.MaxEnvVars, func(n string) { r.Env[n] = n })
	times(berth.MaxLabels, func(n string) { r.Labels[n] = n })
	times(berth.MaxCustomResources, func(n string) { r.Resources.Custom[n] = 1 })
	times(berth.MaxPortsPerRequest, func(string) { r.Resources.Ports = append(r.Resources.Ports, &berthv1.PortDemand{}) })
	times(berth.MaxDevicesPerRequest, func(string) { r.Resources.Devices = append(r.Resources.Devices, &berthv1.DeviceDemand{}) })
	times(berth.MaxConstraints, func(string) { r.Constraints = append(r.Constraints, &berthv1.Constraint{}) })
	times(berth.MaxTolerations, func(string) { r.Tolerations = append(r.Tolerations, &berthv1.Toleration{}) })
	times(berth.MaxAffinities, func(string) {
		r.Affinity = append(r.Affinity, &berthv1.Affinity{Requests: &berthv1.RequestLabel{}})
		r.AntiAffinity = append(r.AntiAffinity, &berthv1.Affinity{Requests: &berthv1.RequestLabel{}})
	})
	times(berth.MaxSpreads, func(string) { r.Spread = append(r.Spread, &berthv1.Spread{Requests: &berthv1.RequestLabel{}}) })
	return r
}

// As many requests as a call may have pass, with whatever they have.
func TestTally_Full(t *testing.T) {
	t.Parallel()
	one := &berthv1.SubmitRequest{Requests: []*berthv1.Request{full()}}
	binary, text := encoded(t, one)
	d := one.ProtoReflect().Descriptor()
	for name, got := range map[string]tally{"proto": tallyProto(binary, d), "json": tallyJSON(text, d)} {
		if most := berth.MaxRequestsPerCall; got.messages*most > maxCallMessages || got.values*most > maxCallValues {
			t.Errorf("%s: one request has %d messages and %d values, too many for %d such", name, got.messages, got.values, most)
		}
	}
	call := &berthv1.SubmitRequest{}
	for i := range berth.MaxRequestsPerCall {
		call.Requests = append(call.Requests, &berthv1.Request{Id: fmt.Sprint("r", i), Command: []string{"true"}, Env: map[string]string{"A": `{"[,`}})
	}
	binary, text = encoded(t, call)
	for codec, b := range map[connect.Codec][]byte{boundedProto{}: binary, strictJSON{"json"}: text} {
		var got berthv1.SubmitRequest
		if err := codec.Unmarshal(b, &got); err != nil || !proto.Equal(&got, call) {
			t.Errorf("%s: %v, %d requests", codec.Name(), err, len(got.GetRequests()))
		}
	}
}

func TestTally_TooMany(t *testing.T) {
	t.Parallel()
	const most = berth.MaxRequestsPerCall
	objects := func(n int) string { return "[" + strings.Repeat("{},", n-1) + "{}]" }
	requests := func(n int) string {
		return fmt.Sprintf(`requests "%d" has too many entries; allowed: at most 1000 a call`, n)
	}
	message := func(field protowire.Number, content string) string {
		return string(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), content))
	}
	for _, tt := range []struct {
		name, json, proto string
		call              proto.Message
		want              string
	}{
		{"a legal call", `{"requests":` + objects(most) + `}`, strings.Repeat(message(1, ""), most), &berthv1.SubmitRequest{}, ""},
		{"one more", `{"requests":` + objects(most+1) + `}`, strings.Repeat(message(1, ""), most+1), &berthv1.SubmitRequest{}, requests(most + 1)},
		{"by another spelling", ` { "\u0072equests" : ` + objects(most+1) + `}`, "", &berthv1.SubmitRequest{}, requests(most + 1)},
		{"cut off", `{"requests":` + objects(2 * most)[:1+3*(most+1)], strings.Repeat(message(1, ""), most+1) + "\x0a", &berthv1.SubmitRequest{}, requests(most + 1)},
		{"the second of two lists", `{"add":[{"key":"]}\"["}],"remove":` + objects(most+1) + `}`, strings.Repeat(message(2, "")+message(3, ""), most) + message(3, ""), &berthv1.SetTaintsRequest{}, `remove "1001" has too many entries; allowed: at most 1000 a call`},
		{"messages within", `{"requests":[{"constraints":` + objects(maxCallMessages) + `}]}`, message(1, strings.Repeat(message(11, ""), maxCallMessages)), &berthv1.SubmitRequest{}, "call has too many messages within it; allowed: at most 256000; make several calls of it"},
		{"texts within", `{"requests":[{"command":[""` + strings.Repeat(`,""`, maxCallValues) + `]}]}`, message(1, strings.Repeat(message(5, ""), maxCallValues)), &berthv1.SubmitRequest{}, "call has too many values within it; allowed: at most 2500000; make several calls of it"},
	} {
		for codec, b := range map[connect.Codec]string{boundedProto{}: tt.proto, strictJSON{"json"}: tt.json} {
			if b == "" {
				continue
			}
			call := tt.call.ProtoReflect().New().Interface()
			err := codec.Unmarshal([]byte(b), call)
			if err == nil {
				err = refusalIn(call)
			}
			if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
				t.Errorf("%s, %s: %.200s, want %s", tt.name, codec.Name(), got, tt.want)
			}
		}
	}
}

// What is within the bounds is unmarshalled as ever, and nothing of it is missed.
func FuzzTally(f *testing.F) {
	some := &berthv1.SubmitRequest{Requests: []*berthv1.Request{full(), {Id: `{[,"\`}}}
	binary, err := proto.Marshal(some)
	if err != nil {
		f.Fatal(err)
	}
	text, err := protojson.Marshal(some)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(binary), string(text), "", "\x0a", "\x0a\x00", "\x0a\x02\x0a", "\x0b\x0c", "\x0b\x0a\x00\x0c", "\xf8\x07\x01", "\x0a\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		`{"requests":[{"id":"\"{"}]}`, `{"requests":[{}`, `{"requests":[{}],"requests":[{}]}`, `{"requests":[null]}`, `[{}]`, `{"requests":{}}`, `{"requests":[{"env":{"a":"b","c":"d"},"retry":null}]}`, `{"requests":[{"id":"\`, "}}]{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := some.ProtoReflect().Descriptor()
		for codec, tt := range map[connect.Codec]struct {
			plain func([]byte, proto.Message) error
			tally tally
		}{
			boundedProto{}:     {proto.Unmarshal, tallyProto(b, d)},
			strictJSON{"json"}: {plainJSON, tallyJSON(b, d)},
		} {
			if tt.tally.refusal() != nil {
				continue
			}
			var want, got berthv1.SubmitRequest
			wantErr, gotErr := tt.plain(b, &want), codec.Unmarshal(b, &got)
			if (wantErr == nil) != (gotErr == nil) {
				t.Fatalf("%s: %v, by itself %v", codec.Name(), gotErr, wantErr)
			}
			if wantErr != nil {
				continue
			}
			if !proto.Equal(&want, &got) {
				t.Fatalf("%s: %v, by itself %v", codec.Name(), &got, &want)
			}
			if messages, values := within(want.ProtoReflect()); messages > tt.tally.messages || values > tt.tally.values {
				t.Fatalf("%s: counted %+v, there are %d messages and %d values", codec.Name(), tt.tally, messages, values)
			}
		}
	})
}

func plainJSON(b []byte, m proto.Message) error {
	if len(b) == 0 {
		return nil
	}
	return protojson.Unmarshal(b, m)
}

// within counts what a message has within it.
func within(m protoreflect.Message) (messages, values int) {
	inner := func(m protoreflect.Message) {
		more, also := within(m)
		messages, values = messages+1+more, values+also
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			values += v.Map().Len()
		case f.IsList():
			values += v.List().Len()
			for i := 0; f.Message() != nil && i < v.List().Len(); i++ {
				inner(v.List().Get(i).Message())
			}
		case f.Message() != nil:
			values++
			inner(v.Message())
		default:
			values++
		}
		return true
	})
	return messages, values
}

func encoded(t *testing.T, m proto.Message) (binary, text []byte) {
	t.Helper()
	binary, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = protojson.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return binary, text
}
