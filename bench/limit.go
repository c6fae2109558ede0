package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/etcdstore"
)

// limit is what a start costs with no Berth in the way: its three transactions,
// bare, one after the other, and one fork and exec.
type limit struct {
	senders [transactions]etcdstore.Sender // of each
	client  *clientv3.Client
	prefix  string // of the keys; nobody watches it
	program string

	writes, fork, all *Latency
}

func newLimit(daemon, agent *clientv3.Client, prefix string) (*limit, error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return nil, fmt.Errorf("find what is forked: %w", err)
	}
	send, report := etcdstore.SenderOf(daemon), etcdstore.SenderOf(agent)
	return &limit{
		senders: [transactions]etcdstore.Sender{send, report, report}, client: daemon, prefix: prefix, program: program,
		writes: NewLatency(), fork: NewLatency(), all: NewLatency(),
	}, nil
}

// measure does it once.
func (l *limit) measure(ctx context.Context, writes [transactions]bareWrite) error {
	var written time.Duration
	for i, w := range writes {
		took, err := sendBare(ctx, l.senders[i], l.prefix, w)
		if err != nil {
			return err
		}
		written += took
	}
	began := time.Now()
	p, err := os.StartProcess(l.program, []string{l.program}, &os.ProcAttr{})
	forked := time.Since(began)
	if err != nil {
		return fmt.Errorf("fork a bare process: %w", err)
	}
	if _, err := p.Wait(); err != nil {
		return fmt.Errorf("wait for a bare process: %w", err)
	}
	l.writes.Record(written)
	l.fork.Record(forked)
	l.all.Record(written + forked)
	return nil
}

// sendBare writes a transaction of that weight, of keys under a prefix that nobody
// watches, and says how long that took.
func sendBare(ctx context.Context, sender etcdstore.Sender, prefix string, w bareWrite) (time.Duration, error) {
	txn := new(pb.TxnRequest)
	for i := range w.compares {
		txn.Compare = append(txn.Compare, createIs(fmt.Sprintf("%snone-%d", prefix, i), 0))
	}
	for i := range w.keys {
		key := fmt.Sprintf("%s%d", prefix, i)
		key += strings.Repeat("k", max(0, w.keys[i]-len(key)))
		txn.Success = append(txn.Success, put(key, strings.Repeat("v", w.values[i])))
	}
	began := time.Now()
	resp, err := sender.SendTxn(ctx, txn)
	if err != nil {
		return 0, fmt.Errorf("write a bare transaction: %w", err)
	}
	if !resp.Succeeded {
		return 0, fmt.Errorf("write a bare transaction: %w", errFloorConflict)
	}
	return time.Since(began), nil
}

// sweepBare deletes what was put.
func sweepBare(ctx context.Context, client *clientv3.Client, prefix string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), floorTxnTimeout)
	defer cancel()
	if _, err := client.Delete(ctx, prefix, clientv3.WithPrefix()); err != nil {
		return fmt.Errorf("delete bare transactions: %w", err)
	}
	return nil
}
