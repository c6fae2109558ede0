package bench

import (
	"context"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// held is an etcd whose answers come when they are released.
type held struct{ begun, release chan struct{} }

func (h held) SendTxn(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
	close(h.begun)
	<-h.release
	return &pb.TxnResponse{Succeeded: true}, nil
}

// A sample is over when a watch tells its end, which may be before the answer to the
// transaction that wrote it: a tap without it would have the floor write less.
func TestStopTap_AnswerUnderWay(t *testing.T) {
	h := held{begun: make(chan struct{}), release: make(chan struct{})}
	s := &sums{}
	s.startTap()
	done := make(chan error)
	go func() {
		_, err := counter{inner: h, sums: s}.SendTxn(t.Context(), puts("/berth/archive/a"))
		done <- err
	}()
	<-h.begun
	time.AfterFunc(20*time.Millisecond, func() { close(h.release) })
	if got := s.stopTap(); len(got) != 1 {
		t.Errorf("%d transactions tapped, not the one under way", len(got))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
