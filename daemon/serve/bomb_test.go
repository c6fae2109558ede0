package serve

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// call is a call by HTTP: its answer, and what the daemon has allocated for it.
func call(t *testing.T, h http.Handler, method string, body []byte, header ...string) (int, string, uint64) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/berth.v1.BerthService/"+method, bytes.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.ServeHTTP(w, r)
	runtime.ReadMemStats(&after)
	answer := w.Body.Bytes()
	if len(answer) > 5 && answer[0] == 3 { // the end of a stream, packed as the call was
		z, err := gzip.NewReader(bytes.NewReader(answer[5:]))
		if err != nil {
			t.Fatal(err)
		}
		if answer, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, string(answer), after.TotalAlloc - before.TotalAlloc
}

func zipped(t *testing.T, content io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(z, content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func envelope(flags byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(content))), content...)
}

// A few bytes of a call, or a few kilobytes once packed, are refused before they are
// gigabytes of memory.
func TestService_Bombs(t *testing.T) { // not parallel: it measures
	h, err := New(nil, Options{}) // no daemon is asked
	if err != nil {
		t.Fatal(err)
	}
	const n, proto, json, gz = 2_000_000, "application/proto", "application/json", "gzip"
	inProto := bytes.Repeat([]byte("\x0a\x00"), n)
	inJSON := []byte(`{"requests":[{}` + strings.Repeat(`,{}`, n-1) + `]}`)
	ids := []byte(`{"filter":{"ids":[""` + strings.Repeat(`,""`, maxCallValues) + `]}}`)
	refused, values := `requests \"2000000\" has too many entries; allowed: at most 1000 a call`, "call has too many values within it; allowed: at most 2500000"
	for _, tt := range []struct {
		name, method string
		body         []byte
		header       []string
		code         int
		want         string
	}{
		{"proto", "Submit", inProto, []string{"Content-Type", proto}, 400, refused},
		{"json", "Submit", inJSON, []string{"Content-Type", json}, 400, refused},
		{"proto, packed", "Submit", zipped(t, bytes.NewReader(inProto)), []string{"Content-Type", proto, "Content-Encoding", gz}, 400, refused},
		{"json, packed", "Submit", zipped(t, bytes.NewReader(inJSON)), []string{"Content-Type", json, "Content-Encoding", gz}, 400, refused},
		{"a stream", "Watch", envelope(0, ids), []string{"Content-Type", "application/connect+json"}, 200, values},
		{"a stream, packed", "Watch", envelope(1, zipped(t, bytes.NewReader(ids))), []string{"Content-Type", "application/connect+json", "Connect-Content-Encoding", gz}, 200, values},
	} {
		code, answer, allocated := call(t, h, tt.method, tt.body, tt.header...)
		if code != tt.code || !strings.Contains(answer, tt.want) || !strings.Contains(answer, `"invalid_argument"`) || !strings.Contains(answer, "berth.v1.FieldViolation") {
			t.Errorf("%s: %d %.300s, want %s", tt.name, code, answer, tt.want)
		}
		if allocated > 64<<20 {
			t.Errorf("%s: %d bytes of a call took %d bytes of memory", tt.name, len(tt.body), allocated)
		}
	}
}

// endless is blanks.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestGunzip(t *testing.T) {
	t.Parallel()
	const most = 1000
	for _, size := range []int64{0, 1, most - 1, most, most + 1, 1 << 20} {
		g := &gunzip{most: most}
		for range 2 { // it is used again
			if err := g.Reset(bytes.NewReader(zipped(t, io.LimitReader(endless{}, size)))); err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(g)
			if size <= most && (err != nil || int64(len(content)) != size) {
				t.Errorf("%d bytes: %v, %d came", size, err, len(content))
			}
			if size > most && (err == nil || len(content) > most || !strings.Contains(err.Error(), "resource_exhausted: the message is larger than 1000 bytes")) {
				t.Errorf("%d bytes: %v, %d came", size, err, len(content))
			}
			if err := g.Close(); err != nil {
				t.Errorf("%d bytes: close: %v", size, err)
			}
		}
	}
}

// A message that is too large once unpacked is refused in words; other packings than gzip
// are not taken, as ever.
func TestService_Gzip(t *testing.T) {
	h, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	code, answer, _ := call(t, h, "Info", zipped(t, io.LimitReader(endless{}, maxMessageBytes+1)), "Content-Type", "application/json", "Content-Encoding", "gzip")
	if code != http.StatusTooManyRequests || !strings.Contains(answer, "resource_exhausted") || !strings.Contains(answer, "the message is larger than 82313216 bytes once unpacked") {
		t.Errorf("%d %.300s", code, answer)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/berth.v1.BerthService/Submit", strings.NewReader("nothing"))
	r.Header.Set("Content-Encoding", "zstd")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("Accept-Encoding"); got != "gzip" {
		t.Errorf("takes %q, want gzip", got)
	}
}
