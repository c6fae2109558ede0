package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// errTooDeep is what a document is refused with before more of it is read.
var errTooDeep = fmt.Errorf("nests too deep; allowed: %d levels", maxAliasedDepth)

// reading is how documents of YAML are read: no deeper than allowed, and with aliases left as they are,
// which m.writtenOut judges. It plugs into the parser.
type reading struct{ tooDeep bool }

func (r *reading) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > maxAliasedDepth {
		r.tooDeep = true
		return errTooDeep
	}
	return nil
}

func (r *reading) CheckAlias(int, int) error { return nil }

func (r *reading) NewAliasDataContext(yaml.AliasDataServices) (yaml.AliasDataContext, error) {
	return r, nil
}

func (r *reading) BeginDocument() error                  { return nil }
func (r *reading) EndDocument() error                    { return nil }
func (r *reading) DefineAnchor(string, *yaml.Node) error { return nil }

func (r *reading) ResolveAlias(string) (*yaml.Node, bool, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, true, nil
}

// yaml reads documents of YAML. Those that hold nothing are passed over by who reads them.
func (m *manifest) yaml(text []byte, each func(body *yaml.Node)) error {
	if err := m.characters(text); err != nil {
		return err
	}
	how := &reading{}
	in, err := yaml.NewLoader(bytes.NewReader(withoutVersion(text)), yaml.WithPlugin(how))
	if err != nil {
		return &manifestError{file: m.file, err: err}
	}
	for {
		var doc yaml.Node
		err := in.Load(&doc)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return m.syntax(text, err, how.tooDeep)
		}
		for _, body := range doc.Content {
			if body, ok := m.writtenOut(body); ok {
				each(body)
			}
		}
	}
}

// syntax is an error of the parser at its place. What is missing at the end of a text, or of a line, is told of
// where it began.
func (m *manifest) syntax(text []byte, err error, tooDeep bool) error {
	le, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return &manifestError{file: m.file, err: err}
	}
	at, what := le.Mark, le.Message
	if tooDeep {
		return &manifestError{m.file, at.Line, at.Column, errTooDeep}
	}
	if from := le.ContextMark; from.Line > 0 {
		what += " " + le.ContextMsg
		if atEnd := len(bytes.TrimSpace(behind(text, at.Line, at.Column))) == 0; atEnd || at.Column == 1 && le.Stage == yaml.ScannerStage {
			at = from
		}
	}
	return &manifestError{m.file, at.Line, at.Column, errors.New(what)}
}

// behind is what of a text begins at a place.
func behind(text []byte, line, column int) []byte {
	for ; line > 1; line-- {
		i := bytes.IndexAny(text, "\r\n")
		if i < 0 {
			return nil
		}
		if bytes.HasPrefix(text[i:], []byte("\r\n")) {
			i++
		}
		text = text[i+1:]
	}
	for ; column > 1 && len(text) > 0; column-- {
		_, size := utf8.DecodeRune(text)
		text = text[size:]
	}
	return text
}

// characters refuses those that YAML has not, and those that end a line to YAML 1.1, as the parser takes them, and are
// like any other to YAML 1.2 and JSON.
func (m *manifest) characters(text []byte) error {
	at := position{text: text}
	for i, r := range string(text) {
		switch {
		case r >= ' ' && r != '\u0085' && r != '\u2028' && r != '\u2029' && r != '\ufffe' && r != '\uffff', r == '\t', r == '\n', r == '\r':
			continue
		}
		line, column := at.of(i)
		return &manifestError{m.file, line, column, fmt.Errorf(`has the character U+%04X; allowed: "\u%04x", in double quotes`, r, r)}
	}
	return nil
}

// versions are a directive at the beginning of a text, behind comments. The parser refuses the version that it goes by
// in all but name.
var versions = regexp.MustCompile(`^(?:[ \t]*(?:#[^\r\n]*)?\r?\n)*%YAML[ \t]+1\.2[ \t\r\n]`)

// withoutVersion is a text as of YAML 1.1, of the same length.
func withoutVersion(text []byte) []byte {
	found := versions.FindIndex(text)
	if found == nil {
		return text
	}
	text = bytes.Clone(text)
	text[found[1]-2] = '1'
	return text
}
