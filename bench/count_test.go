package bench

import (
	"context"
	"slices"
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

// turns is an etcd that answers each transaction with the revision of its turn.
type turns []int64

func (a *turns) SendTxn(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
	revision := (*a)[0]
	*a = (*a)[1:]
	return &pb.TxnResponse{Succeeded: true, Header: &pb.ResponseHeader{Revision: revision}}, nil
}

// A worker acts on what a watch tells: its transaction may be answered before the one
// that it follows. Learned in that order, it would compare what nobody has put yet.
func TestStopTap_InOrderOfRevisions(t *testing.T) {
	s := &sums{}
	c := counter{inner: &turns{12, 11, 14}, sums: s}
	s.startTap()
	for _, key := range []string{"second", "first", "third"} {
		if _, err := c.SendTxn(t.Context(), puts(key)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, r := range s.stopTap() {
		got = append(got, string(r.Success[0].GetRequestPut().Key))
	}
	if want := []string{"first", "second", "third"}; !slices.Equal(got, want) {
		t.Errorf("tapped %v, not %v", got, want)
	}
}
