package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/berth/v1/berthv1connect"
	"github.com/berthd/berth/client"
)

// teller is a daemon that tells what a test says, and then ends with err.
type teller struct {
	pretender
	watched []*berthv1.WatchResponse
	logged  []*berthv1.LogsResponse
	end     error
	from    *berthv1.WatchPosition // as it was asked
	tail    int32
}

func (p *teller) Watch(_ context.Context, req *berthv1.WatchRequest, out *connect.ServerStream[berthv1.WatchResponse]) error {
	p.from = req.GetFrom()
	for _, m := range p.watched {
		if err := out.Send(m); err != nil {
			return err
		}
	}
	return p.end
}

func (p *teller) Logs(_ context.Context, req *berthv1.LogsRequest, out *connect.ServerStream[berthv1.LogsResponse]) error {
	p.tail = req.GetTail()
	for _, m := range p.logged {
		if err := out.Send(m); err != nil {
			return err
		}
	}
	return p.end
}

func told(id, state string, changed, revision int64) *berthv1.WatchResponse {
	m := &berthv1.WatchResponse{Position: &berthv1.WatchPosition{Store: "7", Revision: revision}}
	if id != "" {
		m.Status = &berthv1.Status{Id: id, State: state, ChangedRevision: changed}
	}
	return m
}

func clientOf(t *testing.T, handlers ...berthv1connect.BerthServiceHandler) *client.Client {
	t.Helper()
	address := ""
	for _, h := range handlers {
		address += "," + serve(t, h)
	}
	c, err := client.New(client.Options{Address: address[1:], RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A watch that breaks goes on at the next daemon, which is behind: nothing is told
// again, nothing older, and all that changed meanwhile.
func TestClient_WatchGoesOn(t *testing.T) {
	for name, end := range map[string]error{
		"stopped": connect.NewError(connect.CodeCanceled, errors.New("stopping")),
		"away":    connect.NewError(connect.CodeUnavailable, errors.New("not ready")),
	} {
		t.Run(name, func(t *testing.T) {
			first := &teller{end: end, watched: []*berthv1.WatchResponse{
				told("a", "PENDING", 5, 10), told("", "", 0, 10), told("a", "RUNNING", 12, 10), told("b", "PENDING", 13, 11),
			}}
			second := &teller{watched: []*berthv1.WatchResponse{
				told("a", "RUNNING", 12, 11), told("b", "PENDING", 12, 11), told("c", "SUCCEEDED", 14, 11),
				told("b", "PENDING", 13, 15), told("b", "RUNNING", 16, 15),
			}}
			var got []string
			err := clientOf(t, first, second).Watch(t.Context(), nil, func(s *berthv1.Status) error {
				got = append(got, fmt.Sprintf("%s %s", s.GetId(), s.GetState()))
				return nil
			})
			want := []string{"a PENDING", "a RUNNING", "b PENDING", "c SUCCEEDED", "b RUNNING"}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("told %v, %v; want %v", got, err, want)
			}
			if at := (&berthv1.WatchPosition{Store: "7", Revision: 11}); !proto.Equal(second.from, at) {
				t.Errorf("asked to go on from %v, want %v", second.from, at)
			}
		})
	}
}

// A store that was replaced ends a watch; so does what its reader says.
func TestClient_WatchEnds(t *testing.T) {
	replaced := &teller{end: connect.NewError(connect.CodeAborted, errors.New("replaced")), watched: []*berthv1.WatchResponse{told("a", "PENDING", 5, 10)}}
	next := &teller{}
	err := clientOf(t, replaced, next).Watch(t.Context(), nil, func(*berthv1.Status) error { return nil })
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != connect.CodeAborted.String() || next.from != nil {
		t.Errorf("got %v; the next was asked from %v", err, next.from)
	}
	enough := errors.New("enough")
	if err := clientOf(t, replaced, next).Watch(t.Context(), nil, func(*berthv1.Status) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

// Daemons that begin a watch and bring nothing new are not asked for ever.
func TestClient_WatchGivesUp(t *testing.T) {
	away := connect.NewError(connect.CodeUnavailable, errors.New("the store is away"))
	first := &teller{end: away, watched: []*berthv1.WatchResponse{told("a", "PENDING", 12, 10)}}
	second := &teller{end: away, watched: []*berthv1.WatchResponse{told("", "", 0, 10), told("a", "PENDING", 12, 10)}}
	err := clientOf(t, first, second).Watch(t.Context(), nil, func(*berthv1.Status) error { return nil })
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != client.CodeUnavailable {
		t.Errorf("got %v, want the daemons' word", err)
	}
}

// Output that breaks off goes on where it was.
func TestClient_LogsGoOn(t *testing.T) {
	out := func(stream string, attempt, offset int64, data string) *berthv1.LogsResponse {
		return &berthv1.LogsResponse{Stream: stream, Attempt: attempt, Offset: offset, Data: []byte(data)}
	}
	first := &teller{end: connect.NewError(connect.CodeCanceled, errors.New("stopping")), logged: []*berthv1.LogsResponse{
		out("stdout", 1, 10, "abc"), out("stderr", 1, 0, "x"),
	}}
	second := &teller{logged: []*berthv1.LogsResponse{
		out("stdout", 1, 0, "0123456789"), out("stdout", 1, 10, "abcdef"), out("stderr", 1, 4, "yz"), out("stdout", 2, 0, "again"),
	}}
	var got []string
	err := clientOf(t, first, second).Logs(t.Context(), &berthv1.LogsRequest{Id: "r", Tail: 1, Follow: true}, func(m *berthv1.LogsResponse) error {
		got = append(got, fmt.Sprintf("%s %d@%d+%d %s", m.GetStream(), m.GetAttempt(), m.GetOffset(), m.GetGap(), m.GetData()))
		return nil
	})
	want := []string{"stdout 1@10+0 abc", "stderr 1@0+0 x", "stdout 1@13+0 def", "stderr 1@4+3 yz", "stdout 2@0+0 again"}
	if err != nil || !slices.Equal(got, want) || second.tail != 0 {
		t.Errorf("got %q, %v; tail %d; want %q", got, err, second.tail, want)
	}
}
