package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
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
func (m *manifest) documents(text []byte, each func(body ast.Node)) error {
	if !jsonStream(text) {
		return m.yaml(text, each)
	}
	in := json.NewDecoder(bytes.NewReader(text))
	end := int64(0)
	for {
		var value json.RawMessage
		err := in.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return m.jsonSyntax(text, end, err)
		}
		from := in.InputOffset() - int64(len(value))
		m.passed(text[end:from])
		if err := m.yaml(value, each); err != nil {
			return err
		}
		end = in.InputOffset()
		m.passed(value)
	}
}

// yaml reads documents of YAML, of which a value of JSON is one.
func (m *manifest) yaml(text []byte, each func(body ast.Node)) error {
	tokens := lexer.Tokenize(string(text))
	if at := nestsTooDeep(tokens); at != nil {
		line, column := m.place(at.Position.Line, at.Position.Column)
		return &manifestError{m.file, line, column, fmt.Errorf("nests too deep; allowed: %d levels", maxAliasedDepth)}
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return m.syntax(err)
	}
	for _, doc := range file.Docs {
		if body, ok := m.writtenOut(doc.Body); ok {
			each(body)
		}
	}
	return nil
}

// nestsTooDeep is where that begins, or nil. The parser takes as long as the square of how deep a text nests, and as much memory.
func nestsTooDeep(tokens token.Tokens) *token.Token {
	flow, blocks := 0, []int(nil) // the columns where what is around begins
	for _, t := range tokens {
		begins := 0 // the column of what begins with it
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			begins = t.Position.Column
		case token.MappingValueType:
			if begins = t.Position.Column; t.Prev != nil {
				begins = t.Prev.Position.Column
			}
		case token.DocumentHeaderType, token.DocumentEndType:
			flow, blocks = 0, nil
		}
		if begins > 0 && flow <= 0 {
			for len(blocks) > 0 && blocks[len(blocks)-1] >= begins {
				blocks = blocks[:len(blocks)-1]
			}
			blocks = append(blocks, begins)
		}
		if len(blocks)+flow > maxAliasedDepth {
			return t
		}
	}
	return nil
}

// jsonStream says whether a text is a value of JSON with another one behind it, which YAML is not.
func jsonStream(text []byte) bool {
	in := json.NewDecoder(bytes.NewReader(text))
	var value json.RawMessage
	if err := in.Decode(&value); err != nil || value[0] != '{' && value[0] != '[' {
		return false
	}
	rest := bytes.TrimLeft(text[in.InputOffset():], " \t\r\n")
	return len(rest) > 0 && !bytes.HasPrefix(rest, []byte("---")) && !bytes.HasPrefix(rest, []byte("...")) && rest[0] != '#'
}

// passed notes where the next value of a stream begins.
func (m *manifest) passed(text []byte) {
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		m.line += bytes.Count(text, []byte("\n"))
		m.column, text = 0, text[i+1:]
	}
	m.column += utf8.RuneCount(text)
}

// place is where in the file something of a value is.
func (m *manifest) place(line, column int) (int, int) {
	if line == 1 {
		column += m.column
	}
	return line + m.line, column
}

// jsonSyntax is what is wrong with the value behind those that end there.
func (m *manifest) jsonSyntax(text []byte, end int64, err error) error {
	at := int64(len(text))
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = max(se.Offset-1, 0)
	} else {
		err = errors.New("unexpected end of JSON input")
	}
	m.passed(text[end:min(max(at, end), int64(len(text)))])
	line, column := m.place(1, 1)
	return &manifestError{m.file, line, column, err}
}
