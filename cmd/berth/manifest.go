package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
)

// Bounds of a file of requests.
const (
	maxManifestBytes    = 64 << 20
	maxManifestRequests = 100_000
	maxManifestDepth    = 16
	maxManifestWrong    = 1_000 // that are told of
	maxToldName         = 64    // bytes of a name that is told of
)

// manifestError is what is wrong at a place of a file.
type manifestError struct {
	file         string
	line, column int
	err          error
}

func (e *manifestError) Error() string {
	if e.line == 0 {
		return fmt.Sprintf("%s: %v", e.file, e.err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.file, e.line, e.column, e.err)
}

func (e *manifestError) Unwrap() error { return e.err }

// readManifest reads requests from YAML or JSON: documents, or values of JSON one behind
// another, each of which is a request or a list of requests. All are checked before any is returned; all
// that is wrong is told at once.
func readManifest(name string, stdin io.Reader) ([]*berthv1.Request, error) {
	text, err := readBounded(name, "requests", stdin)
	if err != nil {
		return nil, err
	}
	m := manifest{file: name, bound: ofRequests}
	if err := m.documents(text, m.document); err != nil {
		return nil, m.errors(err)
	}
	if err := m.errors(nil); err != nil {
		return nil, err
	}
	if len(m.requests) == 0 {
		return nil, &manifestError{file: name, err: errors.New("holds no request")}
	}
	return m.requests, nil
}

// readBounded reads a file of some things, - for standard input.
func readBounded(name, what string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		defer func() { _ = f.Close() }() // read only
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxManifestBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", what, name, err)
	}
	if len(text) > maxManifestBytes {
		return nil, &manifestError{file: name, err: fmt.Errorf("is too large; allowed: at most %d bytes", maxManifestBytes)}
	}
	if text, err = withoutMark(text); err != nil {
		return nil, &manifestError{file: name, err: err}
	}
	return text, nil
}

// manifest gathers the requests of a file, and what is wrong with them.
type manifest struct {
	file     string
	bound    func(path string) string // of a number; "" where none is known
	requests []*berthv1.Request
	seen     map[string]int // id: line
	wrong    []error
	more     int // of these, that are not told of
}

func (m *manifest) fail(at *yaml.Node, format string, args ...any) {
	if len(m.wrong) == maxManifestWrong {
		m.more++
		return
	}
	m.wrong = append(m.wrong, &manifestError{m.file, at.Line, at.Column, fmt.Errorf(format, args...)})
}

// failed is how often something was wrong.
func (m *manifest) failed() int { return len(m.wrong) + m.more }

// errors is all that is wrong, and what ended the reading, if anything; nil: nothing.
func (m *manifest) errors(last error) error {
	told := m.wrong
	if m.more > 0 {
		told = append(told, &manifestError{file: m.file, err: fmt.Errorf("%s; above are the first %d", counted(m.more, "more problem"), maxManifestWrong)})
	}
	return errors.Join(append(told, last)...)
}

func (m *manifest) document(body *yaml.Node) {
	switch {
	case kindOf(body) == kindNull:
	case body.Kind == yaml.SequenceNode:
		for _, v := range body.Content {
			m.request(v)
		}
	default:
		m.request(body)
	}
}

func (m *manifest) request(n *yaml.Node) {
	r := &berthv1.Request{}
	if !m.decode(n, "", r) {
		return
	}
	if len(m.requests) == maxManifestRequests {
		m.fail(n, "holds too many requests; allowed: at most %d", maxManifestRequests)
		return
	}
	given := wire.ToRequest(r)
	asked := given.Normalize()
	if err := cmp.Or(given.CheckRepeats(), asked.ValidateAsked()); err != nil {
		m.fail(fieldNode(n, err), "%v", err)
		return
	}
	if first, twice := m.seen[r.GetId()]; twice {
		m.fail(n, "id %q stands in line %d already", r.GetId(), first)
		return
	}
	if m.seen == nil {
		m.seen = map[string]int{}
	}
	m.seen[r.GetId()] = n.Line
	m.requests = append(m.requests, r)
}

// decode reads a message at a path, or notes what is wrong with it.
func (m *manifest) decode(n *yaml.Node, path string, to proto.Message) bool {
	before := m.failed()
	descriptor := to.ProtoReflect().Descriptor()
	m.message(n, descriptor, path, 0)
	if m.failed() > before {
		return false
	}
	text, err := json.Marshal(valueOf(n))
	if err != nil {
		m.fail(n, "%v", err)
		return false
	}
	if err := protojson.Unmarshal(text, to); err != nil {
		if number := wire.NumberError(text, descriptor); number != nil {
			err = m.bounded(path, number)
		}
		m.fail(fieldNode(n, err), "%v", inPath(path, err))
		return false
	}
	return true
}

// inPath names the field of an error by where its message stands.
func inPath(path string, err error) error {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok || path == "" {
		return err
	}
	named := *fe
	named.Field = path + "." + fe.Field
	return &named
}

// fieldNode is the node of the field that an error names; where that is left out, what it
// would be in.
func fieldNode(n *yaml.Node, err error) *yaml.Node {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		return n
	}
	return nodeAt(n, fe.Field)
}

// message checks that a mapping has the fields of d, each once, of their types.
func (m *manifest) message(n *yaml.Node, d protoreflect.MessageDescriptor, path string, depth int) {
	if depth > maxManifestDepth {
		m.fail(n, "%s nests too deep", path)
		return
	}
	entries, ok := mapping(n)
	if !ok {
		m.fail(n, "%s is no mapping; allowed: a mapping: %s", orRequest(path), exampleOf(d))
		return
	}
	seen := map[string]bool{}
	for _, e := range entries {
		name := e.key.Value
		at := berth.Clip(name, maxToldName)
		if path != "" {
			at = path + "." + at
		}
		field := d.Fields().ByName(protoreflect.Name(name))
		switch {
		case field == nil:
			m.fail(e.key, "field %q is unknown; %s has: %s", at, orRequest(path), fieldNames(d))
		case seen[name]:
			m.fail(e.key, "field %q stands twice", at)
		default:
			m.field(e.value, field, at, depth)
		}
		seen[name] = true
	}
}

func orRequest(path string) string {
	if path == "" {
		return "a request"
	}
	return path
}

func fieldNames(d protoreflect.MessageDescriptor) string {
	names := ""
	for i := range d.Fields().Len() {
		if i > 0 {
			names += ", "
		}
		names += string(d.Fields().Get(i).Name())
	}
	return names
}

func (m *manifest) field(n *yaml.Node, f protoreflect.FieldDescriptor, at string, depth int) {
	switch {
	case kindOf(n) == kindNull:
		m.fail(n, "field %q is empty", at)
	case f.IsMap():
		entries, ok := mapping(n)
		if !ok {
			m.fail(n, "field %q is no mapping; allowed: a mapping: %s", at, exampleIn(f))
		}
		seen := map[string]bool{}
		for _, e := range entries {
			key := e.key.Value
			entry := at + "." + berth.Clip(key, maxToldName)
			if seen[key] {
				m.fail(e.key, "field %q stands twice", entry)
			}
			seen[key] = true
			m.scalar(e.value, f.MapValue(), entry)
		}
	case f.IsList():
		if n.Kind != yaml.SequenceNode {
			m.fail(n, "field %q is no list; allowed: a list: %s", at, exampleIn(f))
			return
		}
		if err := berth.CheckGivenList(fieldOf(at), len(n.Content)); err != nil {
			m.fail(n, "%v", atPath(at, err))
		}
		for i, v := range n.Content {
			m.element(v, f, at+"["+strconv.Itoa(i)+"]", depth)
		}
	default:
		m.element(n, f, at, depth)
	}
}

func (m *manifest) element(n *yaml.Node, f protoreflect.FieldDescriptor, at string, depth int) {
	if f.Kind() == protoreflect.MessageKind {
		m.message(n, f.Message(), at, depth+1)
		return
	}
	m.scalar(n, f, at)
}

// scalar demands the type that is written: 1 is no string, and "1" no number, so
// that nothing is taken for what it is not.
func (m *manifest) scalar(n *yaml.Node, f protoreflect.FieldDescriptor, at string) {
	ok, want := false, ""
	switch f.Kind() {
	case protoreflect.StringKind:
		ok, want = kindOf(n) == kindText, "a string (quote it)"
	case protoreflect.BoolKind:
		ok, want = kindOf(n) == kindBool, "true or false"
	default:
		ok, want = kindOf(n) == kindWhole, m.wholeNumber(n, at)
	}
	if !ok {
		m.fail(n, "field %q is %s; allowed: %s", at, clip(quotedNode(n), 40), want)
		return
	}
	if kindOf(n) == kindText {
		if err := berth.CheckGivenText(fieldOf(at), n.Value); err != nil {
			m.fail(n, "%v", atPath(at, err))
		}
	}
	if zero(n) {
		if err := berth.CheckGiven(fieldOf(at), 0); err != nil {
			m.fail(n, "%v", atPath(at, err))
		}
	}
}

// zero says whether a node is the number 0, in whatever way it is written. What is decoded cannot be
// told from a field that is left out.
func zero(n *yaml.Node) bool {
	return kindOf(n) == kindWhole && whole(n.Value) == "0"
}

var zeroLed = regexp.MustCompile(`^[-+]?0[0-9_]+$`)

// leadingZero says whether a number begins with a 0 that says nothing: 010 is eight in YAML 1.1, and ten in 1.2.
func leadingZero(n *yaml.Node) bool { return n.Style == 0 && zeroLed.MatchString(n.Value) }

// atPath names the field of an error with its indices.
func atPath(path string, err error) error {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		return err
	}
	named := *fe
	named.Field = path
	return &named
}

// wholeNumber is what a field of that path takes, which does not take n: by the unit that its
// name ends on.
func (m *manifest) wholeNumber(n *yaml.Node, at string) string {
	digits := quotedNode(n)
	if leadingZero(n) {
		return "no 0 before a number, which some read as octal: " + cmp.Or(strings.TrimLeft(digits, "+-0_"), "0") + " for a decimal one"
	}
	if digits != "" && strings.Trim(digits, "0123456789") == "" {
		return cmp.Or(m.bound(at), fmt.Sprintf("at most %d", math.MaxInt64))
	}
	exact := ""
	if plain := strings.ReplaceAll(digits, "_", ""); plain != digits && whole(plain) != "" {
		exact = ", without _: " + whole(plain)
	} else if f, err := strconv.ParseFloat(digits, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		exact = fmt.Sprintf(", without a point or an exponent: %d", int64(f))
	}
	for suffix, unit := range map[string]string{"_bytes": "bytes", "milli": "thousandths", "_ms": "milliseconds"} {
		if strings.HasSuffix(at, suffix) {
			return "a whole number of " + unit + exact
		}
	}
	return "a whole number" + exact
}
