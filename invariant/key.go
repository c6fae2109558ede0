package invariant

import (
	"fmt"
	"strings"
)

// The first parts of keys.
const (
	kindSchema     = "schema"
	kindWorker     = "workers"
	kindConditions = "conditions"
	kindIntent     = "intents"
	kindLedger     = "ledgers"
	kindRequest    = "requests"
	kindState      = "states"
	kindAllocation = "allocations"
	kindGroup      = "groups"
	kindHold       = "holds"
	kindKeep       = "keeps"
	kindArchive    = "archive"
	kindDaemon     = "daemons"
	kindPool       = "pools"
	kindTenant     = "tenants"
	kindBlock      = "tenants/block" // tenants/<t>/<d>: not a first part
	kindSupply     = "supply"
	kindBrake      = "brakes"
	kindPlan       = "plan"
)

// leasing says of every kind whether its keys are bound to a lease.
var leasing = map[string]bool{
	kindSchema: false, kindWorker: true, kindConditions: true, kindIntent: false, kindLedger: false,
	kindRequest: false, kindState: false, kindAllocation: false, kindGroup: false, kindHold: true, kindKeep: false,
	kindArchive: false, kindDaemon: true, kindPool: false, kindTenant: false, kindBlock: false, kindSupply: false,
	kindBrake: false, kindPlan: false,
}

// name is a key, parsed: owner is the worker of an allocation, or the tenant of a block.
type name struct{ kind, owner, id string }

func parseKey(key string) (name, error) {
	parts := strings.Split(key, "/")
	n := name{kind: parts[0]}
	if _, known := leasing[n.kind]; !known {
		return name{}, fmt.Errorf("%q begins no key of the keyspace", parts[0])
	}
	switch {
	case (n.kind == kindSchema || n.kind == kindPlan) && len(parts) == 1:
		return n, nil
	case n.kind == kindAllocation && len(parts) == 3:
		n.owner, n.id = parts[1], parts[2]
	case n.kind == kindTenant && len(parts) == 3:
		n.kind, n.owner, n.id = kindBlock, parts[1], parts[2]
	case n.kind != kindSchema && n.kind != kindPlan && n.kind != kindAllocation && len(parts) == 2:
		n.id = parts[1]
	default:
		return name{}, fmt.Errorf("a key of %s has not %d parts", n.kind, len(parts))
	}
	for _, part := range parts[1:] {
		if !validID(part) {
			return name{}, fmt.Errorf("%q is no id: 1 to 128 characters of [a-z0-9._-], the first a letter or digit", part)
		}
	}
	return n, nil
}

func validID(id string) bool {
	if id == "" || len(id) > 128 || strings.ContainsRune("._-", rune(id[0])) {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
