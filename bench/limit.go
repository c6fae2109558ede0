package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// limit is what a start costs with no Berth in the way: its three transactions,
// bare, one after the other, and one fork and exec.
type limit struct {
	clients [transactions]*clientv3.Client // that sent each
	prefix  string                         // of the keys; nobody watches it
	program string

	writes, fork, all *Latency
}

func newLimit(daemon, agent *clientv3.Client, prefix string) (*limit, error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return nil, fmt.Errorf("find what is forked: %w", err)
	}
	return &limit{
		clients: [transactions]*clientv3.Client{daemon, agent, agent}, prefix: prefix, program: program,
		writes: NewLatency(), fork: NewLatency(), all: NewLatency(),
	}, nil
}

// measure does it once.
func (l *limit) measure(ctx context.Context, writes [transactions]bareWrite) error {
	var written time.Duration
	for i, w := range writes {
		cmps, puts := l.bare(w)
		began := time.Now()
		resp, err := l.clients[i].Txn(ctx).If(cmps...).Then(puts...).Commit()
		if err != nil {
			return fmt.Errorf("write a bare transaction: %w", err)
		}
		if !resp.Succeeded {
			return fmt.Errorf("write a bare transaction: %w", errFloorConflict)
		}
		written += time.Since(began)
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

// bare is a transaction of that weight.
func (l *limit) bare(w bareWrite) (cmps []clientv3.Cmp, puts []clientv3.Op) {
	for i := range w.compares {
		cmps = append(cmps, clientv3.Compare(clientv3.CreateRevision(fmt.Sprintf("%snone-%d", l.prefix, i)), "=", 0))
	}
	for i := range w.keys {
		key := fmt.Sprintf("%s%d", l.prefix, i)
		key += strings.Repeat("k", max(0, w.keys[i]-len(key)))
		puts = append(puts, clientv3.OpPut(key, strings.Repeat("v", w.values[i])))
	}
	return cmps, puts
}

// sweep deletes what was put.
func (l *limit) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), floorTxnTimeout)
	defer cancel()
	if _, err := l.clients[0].Delete(ctx, l.prefix, clientv3.WithPrefix()); err != nil {
		return fmt.Errorf("delete bare transactions: %w", err)
	}
	return nil
}
