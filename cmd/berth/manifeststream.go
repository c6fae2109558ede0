package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// byteOrderMark is what some editors write before a text in UTF-8. It says nothing.
const byteOrderMark = "\ufeff"

// withoutMark is a text without its byte order mark. What is no UTF-8 is refused: readers would put another character there.
func withoutMark(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, errors.New("is UTF-16; allowed: UTF-8")
	}
	if !utf8.Valid(text) {
		line := 0
		for l := range bytes.Lines(text) {
			if line++; !utf8.Valid(l) {
				break
			}
		}
		return nil, fmt.Errorf("is not UTF-8 in line %d; allowed: UTF-8", line)
	}
	return bytes.TrimPrefix(text, []byte(byteOrderMark)), nil
}

// documents reads all of a file: documents of YAML, or values of JSON one behind another, as JSON
// Lines are and jq writes them. It has each read one of them.
func (m *manifest) documents(text []byte, each func(body *yaml.Node)) error {
	if !isJSON(text) {
		return m.yaml(text, each)
	}
	in, at := json.NewDecoder(bytes.NewReader(text)), position{text: text}
	end := int64(0)
	for {
		var value json.RawMessage
		err := in.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return m.jsonSyntax(&at, end, err)
		}
		end = in.InputOffset()
		body, err := m.json(&at, int(end)-len(value), value)
		if err != nil {
			return err
		}
		each(body)
	}
}

// isJSON says whether a text is a list or an object of JSON, alone or with another value behind it, which YAML is not. It
// is not read as YAML, which it is too: YAML has other escapes than JSON.
func isJSON(text []byte) bool {
	in := json.NewDecoder(bytes.NewReader(text))
	var value json.RawMessage
	if err := in.Decode(&value); err != nil || value[0] != '{' && value[0] != '[' {
		return false
	}
	rest := bytes.TrimLeft(text[in.InputOffset():], " \t\r\n")
	return len(rest) == 0 || !bytes.HasPrefix(rest, []byte("---")) && !bytes.HasPrefix(rest, []byte("...")) && rest[0] != '#'
}

// json is a value of JSON that begins there, as a node of YAML.
func (m *manifest) json(at *position, from int, value []byte) (*yaml.Node, error) {
	in := json.NewDecoder(bytes.NewReader(value))
	in.UseNumber()
	var open []*yaml.Node // the lists and objects around, the innermost last
	for {
		begins := int(in.InputOffset())
		begins += len(value[begins:]) - len(bytes.TrimLeft(value[begins:], " \t\r\n,:"))
		token, err := in.Token()
		if err != nil {
			return nil, &manifestError{file: m.file, err: err} // never: it has been read before
		}
		n := &yaml.Node{Kind: yaml.ScalarNode}
		n.Line, n.Column = at.of(from + begins)
		switch token := token.(type) {
		case json.Delim:
			if token == '}' || token == ']' {
				n, open = open[len(open)-1], open[:len(open)-1]
				if len(open) == 0 {
					return n, nil
				}
				continue
			}
			if n.Kind = yaml.SequenceNode; token == '{' {
				n.Kind = yaml.MappingNode
			}
			if len(open) == maxAliasedDepth {
				return nil, &manifestError{m.file, n.Line, n.Column, errTooDeep}
			}
		case string:
			if halved(value[begins:in.InputOffset()]) {
				return nil, &manifestError{m.file, n.Line, n.Column, errors.New(`has half a surrogate pair; allowed: "\ud83d\ude00", or the character itself`)}
			}
			n.Tag, n.Style, n.Value = "!!str", yaml.DoubleQuotedStyle, token
		case json.Number:
			n.Tag, n.Value = "!!float", token.String()
		case bool:
			n.Tag, n.Value = "!!bool", fmt.Sprint(token)
		case nil:
			n.Tag, n.Value = "!!null", "null"
		}
		if len(open) > 0 {
			around := open[len(open)-1]
			around.Content = append(around.Content, n)
		}
		switch {
		case n.Kind != yaml.ScalarNode:
			open = append(open, n)
		case len(open) == 0:
			return n, nil
		}
	}
}

// A character beyond 16 bits is a pair of escapes in JSON, and half of one no character: encoding/json puts another there.
var (
	pairs         = regexp.MustCompile(`\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	loneSurrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// halved says whether a string of JSON, as it is written, has half a pair.
func halved(written []byte) bool {
	return bytes.Contains(written, []byte(`\u`)) && loneSurrogate.Match(pairs.ReplaceAll(written, nil))
}

// position finds places of a text, each behind those before it.
type position struct {
	text          []byte
	offset        int
	lines, column int // before it
}

// of is the line and the column of what begins there.
func (p *position) of(offset int) (line, column int) {
	passed := p.text[p.offset:offset]
	if i := bytes.LastIndexByte(passed, '\n'); i >= 0 {
		p.lines += bytes.Count(passed, []byte("\n"))
		p.column, passed = 0, passed[i+1:]
	}
	p.column += utf8.RuneCount(passed)
	p.offset = offset
	return p.lines + 1, p.column + 1
}

// jsonSyntax is what is wrong with the value behind those that end there.
func (m *manifest) jsonSyntax(at *position, end int64, err error) error {
	wrong := int64(len(at.text))
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		wrong = max(se.Offset-1, 0)
	} else {
		err = errors.New("unexpected end of JSON input")
	}
	line, column := at.of(int(min(max(wrong, end), int64(len(at.text)))))
	return &manifestError{m.file, line, column, err}
}
