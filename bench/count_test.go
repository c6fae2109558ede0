package bench

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// heldKV is an etcd whose answers come when they are released.
type heldKV struct {
	clientv3.KV
	begun, release chan struct{}
}

func (h heldKV) Txn(context.Context) clientv3.Txn { return heldTxn{heldKV: h} }

type heldTxn struct {
	clientv3.Txn
	heldKV
}

func (h heldTxn) Then(...clientv3.Op) clientv3.Txn { return h }

func (h heldTxn) Commit() (*clientv3.TxnResponse, error) {
	close(h.begun)
	<-h.release
	return &clientv3.TxnResponse{Succeeded: true}, nil
}

// A sample is over when a watch tells its end, which may be before the answer to the
// transaction that wrote it: a tap without it would have the floor write less.
func TestStopTap_AnswerUnderWay(t *testing.T) {
	held := heldKV{begun: make(chan struct{}), release: make(chan struct{})}
	s := &sums{}
	s.startTap()
	done := make(chan error)
	go func() {
		_, err := counter{held, s}.Txn(t.Context()).Then(clientv3.OpPut("/berth/archive/a", "{}")).Commit()
		done <- err
	}()
	<-held.begun
	time.AfterFunc(20*time.Millisecond, func() { close(held.release) })
	if got := s.stopTap(); len(got) != 1 {
		t.Errorf("%d transactions tapped, not the one under way", len(got))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
