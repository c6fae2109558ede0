package main

import "go.yaml.in/yaml/v4"

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
	node  *yaml.Node
	bytes int
}

// writtenOut is false when something is wrong with the aliases of a document, which is noted then.
func (m *manifest) writtenOut(body *yaml.Node) (*yaml.Node, bool) {
	before := m.failed()
	a := aliases{m: m, marked: map[string]written{}}
	out := a.resolve(body, 0)
	return out.node, m.failed() == before
}

func (a *aliases) resolve(n *yaml.Node, depth int) written {
	if a.over {
		return written{node: n}
	}
	if depth > maxAliasedDepth {
		a.over = true
		a.m.fail(n, "%v", errTooDeep)
		return written{node: n}
	}
	if n.Kind == yaml.AliasNode {
		return a.alias(n)
	}
	a.tag(n)
	out := a.content(n, depth)
	if n.Anchor != "" {
		a.marked[n.Anchor] = out // not before: it cannot hold itself
	}
	return out
}

// content writes out what a node holds.
func (a *aliases) content(n *yaml.Node, depth int) written {
	switch n.Kind {
	case yaml.MappingNode:
		return a.mapping(n, depth)
	case yaml.SequenceNode:
		size := 1
		for i, e := range n.Content {
			out := a.resolve(e, depth+1)
			n.Content[i], size = out.node, size+out.bytes
		}
		return written{n, size}
	}
	return written{n, 1 + len(n.Value)}
}

// tag refuses tags, but for those that say no more than what is written says of itself, and that a scalar is a text.
func (a *aliases) tag(n *yaml.Node) {
	if n.Style&yaml.TaggedStyle == 0 {
		return
	}
	if own := map[yaml.Kind]string{yaml.ScalarNode: "!!str", yaml.SequenceNode: "!!seq", yaml.MappingNode: "!!map"}[n.Kind]; n.Tag != own {
		a.m.fail(n, "has the tag %s; allowed: none, or %s", clip(n.Tag, 40), own)
	}
}

func (a *aliases) alias(n *yaml.Node) written {
	name := n.Value
	out, ok := a.marked[name]
	if !ok {
		a.m.fail(n, "*%s stands for nothing; allowed: what &%[1]s marks before it in the same document", clip(name, 40))
		return written{node: n}
	}
	if a.bytes += out.bytes; a.bytes > maxAliasedBytes {
		a.over = true
		a.m.fail(n, "with its aliases written out the document is too large; allowed: at most %d bytes of them", maxAliasedBytes)
	}
	return out
}

// entry writes out the value of an entry of a mapping.
func (a *aliases) entry(e entry, depth int) written {
	switch {
	case e.key.Kind == yaml.AliasNode || e.key.Anchor != "":
		a.m.fail(e.key, "a key is an anchor or an alias; allowed: on values, and <<")
	case e.key.Kind != yaml.ScalarNode:
		a.m.fail(e.key, "a key is %s; allowed: a text", clip(quotedNode(e.key), 40))
	case e.key.Value == "" && kindOf(e.key) == kindNull:
		a.m.fail(e.key, "a key is empty; allowed: a text")
	default:
		a.tag(e.key)
	}
	out := a.resolve(e.value, depth+1)
	return written{out.node, out.bytes + len(e.key.Value) + 1}
}

// isMerge says whether a key is <<, which is a text like others in quotes.
func isMerge(key *yaml.Node) bool { return key.Tag == "!!merge" && key.Style == 0 }

// mapping puts into a mapping what << names and it does not say itself; of several that say it the first.
func (a *aliases) mapping(n *yaml.Node, depth int) written {
	var own, merged []entry
	size, merges := 1, 0
	entries, _ := mapping(n)
	for _, e := range entries {
		out := a.entry(e, depth)
		e.value, size = out.node, size+out.bytes
		if !isMerge(e.key) {
			own = append(own, e)
			continue
		}
		if merges++; merges > 1 {
			a.m.fail(e.key, "<< stands twice; allowed: once, with a list of mappings")
		}
		merged = append(merged, a.merged(e.value)...)
	}
	said := map[string]bool{}
	for _, e := range own {
		said[e.key.Value] = true // twice, too, which who reads the mapping refuses
	}
	for _, e := range merged {
		if !said[e.key.Value] {
			said[e.key.Value] = true
			own = append(own, e)
		}
	}
	n.Content = n.Content[:0:0]
	for _, e := range own {
		n.Content = append(n.Content, e.key, e.value)
	}
	return written{n, size}
}

// merged are the entries of a mapping, or of a list of them, that << names.
func (a *aliases) merged(n *yaml.Node) (all []entry) {
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	for _, e := range list {
		entries, ok := mapping(e)
		if !ok && e.Kind != yaml.AliasNode { // that has been told of
			a.m.fail(e, "<< is no mapping; allowed: a mapping, an alias of one, or a list of them")
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if seen[e.key.Value] {
				a.m.fail(e.key, "%q stands twice", clip(e.key.Value, 40))
			}
			seen[e.key.Value] = true
		}
		all = append(all, entries...)
	}
	return all
}
