package etcdstore

import (
	"fmt"
	"strings"

	"github.com/berthd/berth"
)

// keys makes and parses keys under a prefix that ends in "/".
type keys struct{ prefix string }

// format is the key of k.
func (s keys) format(k berth.Key) string { return string(s.append(nil, k)) }

// append writes the key of k behind b.
func (s keys) append(b []byte, k berth.Key) []byte {
	kind := k.Kind
	if kind == berth.KindQuotaBlock {
		kind = berth.KindTenant
	}
	b = append(append(b, s.prefix...), kind...)
	switch k.Kind {
	case berth.KindSchema:
		return b
	case berth.KindAllocation, berth.KindQuotaBlock:
		b = append(append(b, '/'), k.Owner...)
	}
	return append(append(b, '/'), k.ID...)
}

// folder is the prefix of all keys of a kind, of one owner where given.
func (s keys) folder(kind berth.Kind, owner string) string {
	switch {
	case kind == berth.KindSchema:
		return s.prefix + string(kind)
	case kind == berth.KindQuotaBlock:
		return s.prefix + string(berth.KindTenant) + "/" + owner + "/"
	case owner != "":
		return s.prefix + string(kind) + "/" + owner + "/"
	}
	return s.prefix + string(kind) + "/"
}

// parse is the inverse of format. A key that is none of ours is an error.
func (s keys) parse(key string) (berth.Key, error) {
	rest, ok := strings.CutPrefix(key, s.prefix)
	if !ok {
		return berth.Key{}, fmt.Errorf("key %q is not under %q", key, s.prefix)
	}
	parts := strings.Split(rest, "/")
	kind := berth.Kind(parts[0])
	k := berth.Key{Kind: kind}
	switch {
	case kind == berth.KindSchema && len(parts) == 1:
		return k, nil
	case kind == berth.KindAllocation && len(parts) == 3:
		k.Owner, k.ID = parts[1], parts[2]
	case kind == berth.KindTenant && len(parts) == 3:
		k.Kind, k.Owner, k.ID = berth.KindQuotaBlock, parts[1], parts[2]
	case kind != berth.KindAllocation && recordOf(kind) != nil && len(parts) == 2 && kind != berth.KindQuotaBlock:
		k.ID = parts[1]
	default:
		return berth.Key{}, fmt.Errorf("key %q is of no known kind", key)
	}
	for _, part := range parts[1:] {
		if err := berth.CheckID("key", part); err != nil {
			return berth.Key{}, err
		}
	}
	return k, nil
}
