package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
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
	m := manifest{file: name}
	if err := m.documents(text); err != nil {
		return nil, errors.Join(append(m.wrong, err)...)
	}
	if len(m.wrong) > 0 {
		return nil, errors.Join(m.wrong...)
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
	requests []*berthv1.Request
	seen     map[string]int // id: line
	wrong    []error

	line, column int // of what is read, before it: of a value of JSON behind another
}

func (m *manifest) syntax(err error) error {
	if se, ok := errors.AsType[*yaml.SyntaxError](err); ok && se.Token != nil {
		line, column := m.place(se.Token.Position.Line, se.Token.Position.Column)
		return &manifestError{m.file, line, column, errors.New(se.Message)}
	}
	return &manifestError{file: m.file, err: err}
}

func (m *manifest) fail(at ast.Node, format string, args ...any) {
	p := at.GetToken().Position
	line, column := m.place(p.Line, p.Column)
	m.wrong = append(m.wrong, &manifestError{m.file, line, column, fmt.Errorf(format, args...)})
}

func (m *manifest) document(body ast.Node) {
	switch n := body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.SequenceNode:
		for _, v := range n.Values {
			m.request(v)
		}
	default:
		m.request(n)
	}
}

func (m *manifest) request(n ast.Node) {
	r := &berthv1.Request{}
	if !m.decode(n, "", r) {
		return
	}
	if len(m.requests) == maxManifestRequests {
		m.fail(n, "holds too many requests; allowed: at most %d", maxManifestRequests)
		return
	}
	asked := wire.ToRequest(r).Normalize()
	if err := asked.ValidateAsked(); err != nil {
		m.fail(fieldNode(n, err), "%v", err)
		return
	}
	line, _ := m.place(n.GetToken().Position.Line, 1)
	if first, twice := m.seen[r.GetId()]; twice {
		m.fail(n, "id %q stands in line %d already", r.GetId(), first)
		return
	}
	if m.seen == nil {
		m.seen = map[string]int{}
	}
	m.seen[r.GetId()] = line
	m.requests = append(m.requests, r)
}

// decode reads a message at a path, or notes what is wrong with it.
func (m *manifest) decode(n ast.Node, path string, to proto.Message) bool {
	before := len(m.wrong)
	descriptor := to.ProtoReflect().Descriptor()
	m.message(n, descriptor, path, 0)
	if len(m.wrong) > before {
		return false
	}
	var value any
	if err := yaml.NodeToValue(n, &value); err != nil {
		m.fail(n, "%v", err)
		return false
	}
	text, err := json.Marshal(value)
	if err != nil {
		m.fail(n, "%v", err)
		return false
	}
	if err := protojson.Unmarshal(text, to); err != nil {
		if number := wire.NumberError(text, descriptor); number != nil {
			err = number
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
func fieldNode(n ast.Node, err error) ast.Node {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		return n
	}
	for field := fe.Field; field != ""; field = field[:max(strings.LastIndexAny(field, ".["), 0)] {
		path, pathErr := yaml.PathString("$." + field)
		if pathErr != nil {
			continue
		}
		if at, filterErr := path.FilterNode(n); filterErr == nil && at != nil {
			return at
		}
	}
	return n
}

// message checks that a mapping has the fields of d, each once, of their types.
func (m *manifest) message(n ast.Node, d protoreflect.MessageDescriptor, path string, depth int) {
	if depth > maxManifestDepth {
		m.fail(n, "%s nests too deep", path)
		return
	}
	entries, ok := mapping(n)
	if !ok {
		m.fail(n, "%s is no mapping", orRequest(path))
		return
	}
	seen := map[string]bool{}
	for _, e := range entries {
		name := e.Key.GetToken().Value
		at := name
		if path != "" {
			at = path + "." + name
		}
		field := d.Fields().ByName(protoreflect.Name(name))
		switch {
		case field == nil:
			m.fail(e.Key, "field %q is unknown; %s has: %s", at, orRequest(path), fieldNames(d))
		case seen[name]:
			m.fail(e.Key, "field %q stands twice", at)
		default:
			m.field(e.Value, field, at, depth)
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

func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func (m *manifest) field(n ast.Node, f protoreflect.FieldDescriptor, at string, depth int) {
	switch {
	case n.Type() == ast.NullType:
		m.fail(n, "field %q is empty", at)
	case f.IsMap():
		entries, ok := mapping(n)
		if !ok {
			m.fail(n, "field %q is no mapping", at)
		}
		seen := map[string]bool{}
		for _, e := range entries {
			key := e.Key.GetToken().Value
			if seen[key] {
				m.fail(e.Key, "field %q stands twice", at+"."+key)
			}
			seen[key] = true
			m.scalar(e.Value, f.MapValue(), at+"."+key)
		}
	case f.IsList():
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			m.fail(n, "field %q is no list", at)
			return
		}
		if len(list.Values) == 0 && strings.HasSuffix(at, "retry.on") { // decoded, it would be the default, which is not what it says
			m.fail(n, "field %q is empty; allowed: some of failure, lost, start_failed, oom; or left out, for the default", at)
		}
		for i, v := range list.Values {
			m.element(v, f, at+"["+strconv.Itoa(i)+"]", depth)
		}
	default:
		m.element(n, f, at, depth)
	}
}

func (m *manifest) element(n ast.Node, f protoreflect.FieldDescriptor, at string, depth int) {
	if f.Kind() == protoreflect.MessageKind {
		m.message(n, f.Message(), at, depth+1)
		return
	}
	m.scalar(n, f, at)
}

// scalar demands the type that is written: 1 is no string, and "1" no number, so
// that nothing is taken for what it is not.
func (m *manifest) scalar(n ast.Node, f protoreflect.FieldDescriptor, at string) {
	ok, want := false, ""
	switch f.Kind() {
	case protoreflect.StringKind:
		ok, want = n.Type() == ast.StringType || n.Type() == ast.LiteralType, "a string (quote it)"
	case protoreflect.BoolKind:
		ok, want = n.Type() == ast.BoolType, "true or false"
	default:
		ok, want = n.Type() == ast.IntegerType, wholeNumber(n, at)
	}
	if !ok {
		m.fail(n, "field %q is %s; allowed: %s", at, clip(n.String(), 40), want)
		return
	}
	if zero(n) {
		if err := berth.CheckGiven(entryIndex.ReplaceAllString(at, ""), 0); err != nil {
			m.fail(n, "%v", atPath(at, err))
		}
	}
}

// zero says whether a node is the number 0, in whatever way it is written. What is decoded cannot be
// told from a field that is left out.
func zero(n ast.Node) bool {
	number, ok := n.(*ast.IntegerNode)
	return ok && (number.Value == uint64(0) || number.Value == int64(0))
}

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
func wholeNumber(n ast.Node, at string) string {
	if digits := n.String(); digits != "" && strings.Trim(digits, "0123456789") == "" {
		return fmt.Sprintf("at most %d", math.MaxInt64)
	}
	for suffix, unit := range map[string]string{"_bytes": "bytes", "milli": "thousandths", "_ms": "milliseconds"} {
		if strings.HasSuffix(at, suffix) {
			return "a whole number of " + unit
		}
	}
	return "a whole number"
}
