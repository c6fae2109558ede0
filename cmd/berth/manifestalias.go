package main

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// Bounds of what the aliases of a document make of it: no more than a file could hold without them, and
// no deeper than anything that is taken.
const (
	maxAliasedBytes = maxManifestBytes
	maxAliasedDepth = 4 * maxManifestDepth
)

// aliases writes out a document of YAML: *name is what &name marks before it, and << gives a mapping
// what it does not say itself.
type aliases struct {
	m      *manifest
	marked map[string]written
	bytes  int  // that aliases have added
	over   bool // they are too many: nothing more is written out
}

// written is a node with its aliases written out, and how many bytes it stands for.
type written struct {
	node  ast.Node
	bytes int
}

// writtenOut is false when something is wrong with the aliases of a document, which is noted then.
func (m *manifest) writtenOut(body ast.Node) (ast.Node, bool) {
	if body == nil {
		return nil, true
	}
	before := len(m.wrong)
	a := aliases{m: m, marked: map[string]written{}}
	out := a.resolve(body, 0)
	return out.node, len(m.wrong) == before
}

func (a *aliases) resolve(n ast.Node, depth int) written {
	if a.over {
		return written{node: n}
	}
	if depth > maxAliasedDepth {
		a.over = true
		a.m.fail(n, "nests too deep")
		return written{node: n}
	}
	switch v := n.(type) {
	case *ast.AnchorNode:
		out := a.resolve(v.Value, depth+1) // not marked before: it cannot hold itself
		a.marked[v.Name.GetToken().Value] = out
		return out
	case *ast.AliasNode:
		return a.alias(v)
	case *ast.MappingNode:
		return a.mapping(v, v.Values, depth)
	case *ast.MappingValueNode:
		if v.Key.IsMergeKey() {
			return a.mapping(ast.Mapping(v.Start, v.IsFlowStyle, v), []*ast.MappingValueNode{v}, depth)
		}
		return written{n, a.entry(v, depth)}
	case *ast.SequenceNode:
		size := 1
		for i, e := range v.Values {
			out := a.resolve(e, depth+1)
			v.Values[i], size = out.node, size+out.bytes
		}
		return written{n, size}
	case *ast.LiteralNode:
		return written{n, 1 + len(v.Value.GetToken().Value)}
	case nil:
		return written{}
	}
	return written{n, 1 + len(n.GetToken().Value)}
}

func (a *aliases) alias(n *ast.AliasNode) written {
	name := n.Value.GetToken().Value
	out, ok := a.marked[name]
	if !ok {
		a.m.fail(n, "*%s stands for nothing; allowed: what &%s marks before it in the same document", name, name)
		return written{node: n}
	}
	if a.bytes += out.bytes; a.bytes > maxAliasedBytes {
		a.over = true
		a.m.fail(n, "with its aliases written out the document is too large; allowed: at most %d bytes of them", maxAliasedBytes)
	}
	return out
}

// entry writes out the value of an entry of a mapping.
func (a *aliases) entry(e *ast.MappingValueNode, depth int) (bytes int) {
	switch e.Key.(type) {
	case *ast.AliasNode, *ast.AnchorNode:
		a.m.fail(e.Key, "a key is an anchor or an alias; allowed: on values, and <<")
		return 0
	}
	out := a.resolve(e.Value, depth+1)
	e.Value = out.node
	return out.bytes + len(e.Key.GetToken().Value) + 1
}

// mapping puts into a mapping what << names and it does not say itself; of several that say it the first.
func (a *aliases) mapping(n *ast.MappingNode, entries []*ast.MappingValueNode, depth int) written {
	var own, merged []*ast.MappingValueNode
	size := 1
	for _, e := range entries {
		size += a.entry(e, depth)
		if !e.Key.IsMergeKey() {
			own = append(own, e)
			continue
		}
		more, ok := mappings(e.Value)
		if !ok {
			if _, told := e.Value.(*ast.AliasNode); !told {
				a.m.fail(e.Value, "<< is no mapping; allowed: a mapping, an alias of one, or a list of them")
			}
			continue
		}
		merged = append(merged, more...)
	}
	if len(own) == len(entries) {
		return written{n, size}
	}
	said := map[string]bool{}
	for _, e := range own {
		said[e.Key.GetToken().Value] = true
	}
	n.Values = slices.Clone(own)
	for _, e := range merged {
		if name := e.Key.GetToken().Value; !said[name] {
			said[name] = true
			n.Values = append(n.Values, e)
		}
	}
	return written{n, size}
}

// mappings are the entries of a mapping, or of a list of them.
func mappings(n ast.Node) (entries []*ast.MappingValueNode, ok bool) {
	list, isList := n.(*ast.SequenceNode)
	if !isList {
		return mapping(n)
	}
	for _, e := range list.Values {
		more, ok := mapping(e)
		if !ok {
			return nil, false
		}
		entries = append(entries, more...)
	}
	return entries, true
}
