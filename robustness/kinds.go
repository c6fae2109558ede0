package robustness

import (
	"context"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// The kinds of transactions and calls that faults are counted by.
var callKinds = []string{
	"submit", "place", "group", "claim", "start", "report", "stop", "end", "end lost", "cancel",
	"open", "register", "join", "intent", "quota", "take", "purge", "grant", "keepalive", "revoke", "read",
}

func requiresLeader(ctx context.Context) bool {
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok {
		return false
	}
	v := md.Get(rpctypes.MetadataRequireLeaderKey)
	return len(v) > 0 && v[0] == rpctypes.MetadataHasLeader
}

// kindsOf names what a request does: a transaction may do several things.
func kindsOf(req proto.Message) []string {
	switch r := req.(type) {
	case *pb.TxnRequest:
		return kindsOfTxn(r)
	case *pb.LeaseGrantRequest:
		return []string{"grant"}
	case *pb.LeaseKeepAliveRequest:
		return []string{"keepalive"}
	case *pb.LeaseRevokeRequest:
		return []string{"revoke"}
	case *pb.RangeRequest, *pb.LeaseTimeToLiveRequest:
		return []string{"read"}
	}
	return nil // of the upkeep of the store
}

func kindsOfTxn(r *pb.TxnRequest) []string {
	set := map[string]bool{}
	for _, op := range r.Success {
		if put := op.GetRequestPut(); put != nil {
			set[kindOfPut(folderOf(put.Key), put)] = true
		}
		if del := op.GetRequestDeleteRange(); del != nil {
			set[kindOfDelete(folderOf(del.Key), r)] = true
		}
		if op.GetRequestRange() != nil && len(r.Success) == len(r.Failure) && len(r.Compare) == 0 {
			set["read"] = true
		}
	}
	if set["end"] || set["end lost"] {
		delete(set, "archive")
		delete(set, "state")
		delete(set, "ledger")
	}
	if set["claim"] {
		delete(set, "ledger")
	}
	if set["schema"] && len(set) > 1 {
		set["quota"] = true
		delete(set, "take")
	}
	if set["archive"] {
		set["cancel"] = true
	}
	if set["ledger"] && !set["place"] {
		set["open"] = true
	}
	if len(r.Success) > 0 && len(set) == 0 || len(r.Success)+len(r.Failure) > 0 && len(set) == 0 {
		set["read"] = true
	}
	var kinds []string
	for _, k := range callKinds {
		if set[k] {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func kindOfPut(folder string, put *pb.PutRequest) string {
	switch folder {
	case "requests":
		return "submit"
	case "archive":
		return "archive"
	case "groups":
		return "group"
	case "ledgers":
		return "ledger"
	case "workers":
		return "register"
	case "daemons":
		return "join"
	case "intents":
		return "intent"
	case "states":
		if strings.Contains(string(put.Value), `"claim_on":`) {
			return "claim"
		}
		return "state"
	case "allocations":
		return kindOfAllocation(string(put.Value))
	case "tenants":
		if strings.Count(strings.TrimPrefix(string(put.Key), prefix), "/") == 1 {
			return "take"
		}
	}
	return folder
}

func kindOfAllocation(value string) string {
	// The header's transaction id tells whose it is: a plan's, a start's, a report's.
	const mark = `"txn":"`
	_, rest, _ := strings.Cut(value, mark)
	id, _, _ := strings.Cut(rest, `"`)
	_, serial, _ := strings.Cut(id, "-")
	switch {
	case strings.HasPrefix(serial, "s"), strings.HasPrefix(serial, "r"): // a worker's, of which one may have both
		if strings.Contains(value, `"state":"STARTING"`) {
			return "start"
		}
		return "report"
	case strings.Contains(value, `"stop":`):
		return "stop"
	}
	return "place"
}

func kindOfDelete(folder string, r *pb.TxnRequest) string {
	switch folder {
	case "allocations":
		gone := slices.ContainsFunc(r.Compare, func(c *pb.Compare) bool {
			return folderOf(c.Key) == "workers" && c.Result == pb.Compare_NOT_EQUAL
		})
		if gone {
			return "end lost"
		}
		return "end"
	case "tenants":
		return "take"
	case "archive":
		return "purge"
	case "intents":
		return "intent"
	}
	return "state"
}

func folderOf(key []byte) string {
	folder, _, _ := strings.Cut(strings.TrimPrefix(string(key), prefix), "/")
	return folder
}

// describe tells a call in one line, for the history.
func describe(r *rpc, resp proto.Message, err error, rev int64) string {
	var keys []string
	outcome := "answered"
	if txn, ok := r.req.(*pb.TxnRequest); ok {
		for _, op := range txn.Success {
			if p := op.GetRequestPut(); p != nil {
				keys = append(keys, "+"+strings.TrimPrefix(string(p.Key), prefix))
			}
			if d := op.GetRequestDeleteRange(); d != nil {
				keys = append(keys, "-"+strings.TrimPrefix(string(d.Key), prefix))
			}
		}
		if t, ok := resp.(*pb.TxnResponse); ok && err == nil && !t.Succeeded && len(txn.Compare) > 0 {
			outcome = "conflict"
		}
	}
	if err != nil {
		outcome = err.Error()
	}
	name := string(r.req.ProtoReflect().Descriptor().Name())
	return fmt.Sprintf("%s %v %s at revision %d: %s", name, r.kinds, strings.Join(keys, " "), rev, outcome)
}
