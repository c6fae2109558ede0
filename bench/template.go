package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/berthd/berth"
)

// template is how the transactions of one request look, each a step: learned from
// those of a request that was alone in the store.
type template struct{ steps []step }

// step is one transaction. A part of it belongs to the request, and stands there
// once for each one of a batch; the ledger's belongs to the worker, and stands there
// once for each worker; the schema's once.
type step struct {
	cmps      []compare
	then, els []operation
}

type scope int

const (
	ofRequest scope = iota
	ofWorker
	ofTxn
)

// keyForm is a key, without the prefix, with places for the request and the worker.
type keyForm struct {
	parts []string // with placeID and placeWorker; joined by slashes
	scope scope
}

const (
	placeID     = "\x00id"
	placeWorker = "\x00worker"
)

func (f keyForm) key(prefix, id, worker string) string {
	n := len(prefix)
	for _, p := range f.parts {
		n += len(p) + 1
	}
	var b strings.Builder
	b.Grow(n + len(id) + len(worker))
	b.WriteString(prefix)
	for i, p := range f.parts {
		if i > 0 {
			b.WriteByte('/')
		}
		switch p {
		case placeID:
			b.WriteString(id)
		case placeWorker:
			b.WriteString(worker)
		default:
			b.WriteString(p)
		}
	}
	return b.String()
}

func (f keyForm) same(o keyForm) bool { return slices.Equal(f.parts, o.parts) }

// expect is what a compare asks of a key.
type expect int

const (
	isAbsent    expect = iota // ModRevision 0
	isThere                   // CreateRevision above 0
	isUnchanged               // ModRevision of who wrote it last
	isBorn                    // CreateRevision, of a worker's epoch
)

type compare struct {
	form   keyForm
	expect expect
	from   int // isUnchanged, of a request's key: the step that writes it before
}

type verbOf int

const (
	putOf verbOf = iota
	deleteOf
	getOf
)

type operation struct {
	form  keyForm
	verb  verbOf
	value string
}

// errNotSeen: the transactions of a sample were not among those that were tapped.
var errNotSeen = errors.New("the sample's transactions were not seen")

// learn finds the transactions of request id, placed on worker, under prefix.
func learn(all []*pb.TxnRequest, prefix, id, worker string) (template, error) {
	var t template
	for _, s := range all {
		if !names(s, id) {
			continue
		}
		f := former{prefix: prefix, id: id, worker: worker}
		st, err := f.step(s)
		if err != nil {
			return template{}, fmt.Errorf("transaction %d of request %s: %w", len(t.steps)+1, id, err)
		}
		t.steps = append(t.steps, st)
	}
	if len(t.steps) == 0 {
		return template{}, fmt.Errorf("request %s: %w", id, errNotSeen)
	}
	return t, t.link()
}

// names says whether the transaction writes a key of the request.
func names(r *pb.TxnRequest, id string) bool {
	for _, op := range r.Success {
		if o, ok := operationOf(op); ok && o.verb != getOf && strings.HasSuffix(o.key, "/"+id) {
			return true
		}
	}
	return false
}

// link finds, for each compare of a request's own key, the step that wrote it.
func (t template) link() error {
	for i := range t.steps {
		for c := range t.steps[i].cmps {
			cmp := &t.steps[i].cmps[c]
			if cmp.expect != isUnchanged || cmp.form.scope != ofRequest {
				continue
			}
			cmp.from = -1
			for before := range i {
				if t.steps[before].puts(cmp.form) {
					cmp.from = before
				}
			}
			if cmp.from < 0 {
				return fmt.Errorf("step %d compares %q, which no step before has put", i+1, cmp.form.key("", "ID", "WORKER"))
			}
		}
	}
	return nil
}

func (s step) puts(f keyForm) bool {
	for _, op := range s.then {
		if op.verb == putOf && op.form.same(f) {
			return true
		}
	}
	return false
}

// former makes forms of a sample's keys.
type former struct{ prefix, id, worker string }

func (f former) step(r *pb.TxnRequest) (step, error) {
	var out step
	for _, sent := range r.Compare {
		c, err := f.compare(sent)
		if err != nil {
			return step{}, err
		}
		out.cmps = append(out.cmps, c)
	}
	var err error
	if out.then, err = f.operations(r.Success); err != nil {
		return step{}, err
	}
	out.els, err = f.operations(r.Failure)
	return out, err
}

func (f former) form(key string) (keyForm, error) {
	rest, ok := strings.CutPrefix(key, f.prefix)
	if !ok {
		return keyForm{}, fmt.Errorf("key %q is not under %q", key, f.prefix)
	}
	form := keyForm{scope: ofTxn}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		switch {
		case i > 0 && p == f.id:
			parts[i], form.scope = placeID, ofRequest
		case i > 0 && p == f.worker:
			parts[i] = placeWorker
			form.scope = min(form.scope, ofWorker)
		}
	}
	if form.scope == ofTxn && parts[0] != string(berth.KindSchema) && parts[0] != string(berth.KindPlan) {
		return keyForm{}, fmt.Errorf("key %q belongs neither to the request nor to its worker", key)
	}
	form.parts = parts
	return form, nil
}

func (f former) compare(c *pb.Compare) (compare, error) {
	form, err := f.form(string(c.GetKey()))
	if err != nil {
		return compare{}, err
	}
	out := compare{form: form}
	switch {
	case c.GetTarget() == pb.Compare_MOD && c.GetResult() == pb.Compare_EQUAL && c.GetModRevision() == 0:
		out.expect = isAbsent
	case c.GetTarget() == pb.Compare_MOD && c.GetResult() == pb.Compare_EQUAL:
		out.expect = isUnchanged
	case c.GetTarget() == pb.Compare_CREATE && c.GetResult() == pb.Compare_GREATER && c.GetCreateRevision() == 0:
		out.expect = isThere
	case c.GetTarget() == pb.Compare_CREATE && c.GetResult() == pb.Compare_EQUAL && form.scope == ofWorker:
		out.expect = isBorn
	default:
		return compare{}, fmt.Errorf("compare of %q is of a kind that the floor does not know: %s %s", c.GetKey(), c.GetTarget(), c.GetResult())
	}
	return out, nil
}

func (f former) operations(ops []*pb.RequestOp) ([]operation, error) {
	var out []operation
	for _, op := range ops {
		o, ok := operationOf(op)
		if !ok {
			return nil, fmt.Errorf("operation %T is of a kind that the floor does not know", op.Request)
		}
		form, err := f.form(o.key)
		if err != nil {
			return nil, err
		}
		out = append(out, operation{form: form, verb: o.verb, value: o.value})
	}
	return out, nil
}

// operationSent is one of a transaction that was sent.
type operationSent struct {
	key   string
	verb  verbOf
	value string
}

func operationOf(op *pb.RequestOp) (operationSent, bool) {
	switch o := op.Request.(type) {
	case *pb.RequestOp_RequestPut:
		return operationSent{string(o.RequestPut.Key), putOf, string(o.RequestPut.Value)}, true
	case *pb.RequestOp_RequestDeleteRange:
		return operationSent{string(o.RequestDeleteRange.Key), deleteOf, ""}, true
	case *pb.RequestOp_RequestRange:
		return operationSent{string(o.RequestRange.Key), getOf, ""}, true
	}
	return operationSent{}, false
}
