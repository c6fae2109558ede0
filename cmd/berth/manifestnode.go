package main

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// entry is one of a mapping.
type entry struct{ key, value *yaml.Node }

// mapping are the entries of a mapping, in the order in which they are written.
func mapping(n *yaml.Node) ([]entry, bool) {
	if n.Kind != yaml.MappingNode {
		return nil, false
	}
	entries := make([]entry, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		entries = append(entries, entry{n.Content[i], n.Content[i+1]})
	}
	return entries, true
}

// kind is what is written there, as YAML 1.2 takes it, apart from numbers that some take for another or for a text.
type kind int

const (
	kindNone   kind = iota // a list or a mapping
	kindText               // quoted, or what nobody takes for anything else
	kindWhole              // a whole number of 64 bits, with a sign or without one
	kindNumber             // any other, such as 0.5, 1e2, 1_000 and 010
	kindBool
	kindNull
)

// quoted are the styles of what is a text whatever it holds.
const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

var wholes = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)$`)

func kindOf(n *yaml.Node) kind {
	switch {
	case n.Kind != yaml.ScalarNode:
		return kindNone
	case n.Style&(quoted|yaml.TaggedStyle) != 0 || n.Tag == "!":
		return kindText
	}
	switch n.Tag {
	case "!!null":
		return kindNull
	case "!!bool":
		return kindBool
	case "!!int", "!!float":
		if wholes.MatchString(n.Value) && whole(n.Value) != "" {
			return kindWhole
		}
		return kindNumber
	}
	return kindText
}

// whole is a whole number of 64 bits in decimal digits, or nothing.
func whole(text string) string {
	if i, err := strconv.ParseInt(text, 0, 64); err == nil {
		return strconv.FormatInt(i, 10)
	}
	if u, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 0, 64); err == nil {
		return strconv.FormatUint(u, 10)
	}
	return ""
}

// quotedNode is a node as an error quotes it.
func quotedNode(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Style&yaml.SingleQuotedStyle != 0:
		return "'" + n.Value + "'"
	case n.Style != 0:
		return strconv.Quote(n.Value)
	case kindOf(n) == kindNull:
		return "null"
	}
	return n.Value
}

// valueOf is what encoding/json writes of a node whose fields have been found to be of their types.
func valueOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		value := map[string]any{}
		entries, _ := mapping(n)
		for _, e := range entries {
			value[e.key.Value] = valueOf(e.value)
		}
		return value
	case yaml.SequenceNode:
		value := make([]any, 0, len(n.Content))
		for _, e := range n.Content {
			value = append(value, valueOf(e))
		}
		return value
	}
	switch kindOf(n) {
	case kindWhole:
		return json.Number(whole(n.Value))
	case kindBool:
		return strings.EqualFold(n.Value, "true")
	case kindNull:
		return nil
	}
	return n.Value
}

// nodeAt is the node of a field such as resources.devices[0].milli; where that is left out, what it would be in.
func nodeAt(n *yaml.Node, field string) *yaml.Node {
	if field == "" {
		return n
	}
	if index, rest, ok := strings.Cut(strings.TrimPrefix(field, "["), "]"); ok && field[0] == '[' {
		if i, err := strconv.Atoi(index); err == nil && n.Kind == yaml.SequenceNode && i >= 0 && i < len(n.Content) {
			return nodeAt(n.Content[i], strings.TrimPrefix(rest, "."))
		}
		return n
	}
	entries, _ := mapping(n)
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(field, e.key.Value); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return nodeAt(e.value, strings.TrimPrefix(rest, "."))
		}
	}
	return n
}
