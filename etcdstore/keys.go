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
	case berth.KindSchema, berth.KindPlan:
		return b
	case berth.KindAllocation, berth.KindQuotaBlock:
		b = append(append(b, '/'), k.Owner...)
	}
	return append(append(b, '/'), k.ID...)
}

// length is at least that of the key of k.
func (s keys) length(k berth.Key) int {
	return len(s.prefix) + len(k.Kind) + len("/") + len(k.Owner) + len("/") + len(k.ID)
}

// folder is the prefix of all keys of a kind, of one owner where given. Those of quota
// blocks stand below their tenants'.
func (s keys) folder(kind berth.Kind, owner string) string {
	if kind == berth.KindQuotaBlock {
		kind = berth.KindTenant
	}
	switch {
	case kind == berth.KindSchema, kind == berth.KindPlan:
		return s.prefix + string(kind)
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
	name, rest, _ := strings.Cut(rest, "/")
	kind, known := folders[name]
	k := berth.Key{Kind: kind, ID: rest}
	owner, id, owned := strings.Cut(rest, "/")
	switch {
	case (kind == berth.KindSchema || kind == berth.KindPlan) && len(key) == len(s.prefix)+len(name):
		return k, nil
	case owned && kind == berth.KindTenant:
		k.Kind, k.Owner, k.ID = berth.KindQuotaBlock, owner, id
	case owned && kind == berth.KindAllocation:
		k.Owner, k.ID = owner, id
	case !known || owned || kind == berth.KindSchema || kind == berth.KindPlan || kind == berth.KindAllocation:
		return berth.Key{}, fmt.Errorf("key %q is of no known kind", key)
	}
	if owned {
		if err := berth.CheckID("key", k.Owner); err != nil {
			return berth.Key{}, err
		}
	}
	if err := berth.CheckID("key", k.ID); err != nil {
		return berth.Key{}, err
	}
	return k, nil
}

// folders are the kinds by the first part of their keys.
var folders = map[string]berth.Kind{
	string(berth.KindSchema): berth.KindSchema, string(berth.KindWorker): berth.KindWorker, string(berth.KindConditions): berth.KindConditions,
	string(berth.KindIntent): berth.KindIntent, string(berth.KindLedger): berth.KindLedger, string(berth.KindRequest): berth.KindRequest,
	string(berth.KindState): berth.KindState, string(berth.KindAllocation): berth.KindAllocation, string(berth.KindGroup): berth.KindGroup,
	string(berth.KindHold): berth.KindHold, string(berth.KindArchive): berth.KindArchive, string(berth.KindDaemon): berth.KindDaemon,
	string(berth.KindPool): berth.KindPool, string(berth.KindTenant): berth.KindTenant, string(berth.KindSupply): berth.KindSupply,
	string(berth.KindKeep): berth.KindKeep, string(berth.KindBrake): berth.KindBrake, string(berth.KindPlan): berth.KindPlan,
}
