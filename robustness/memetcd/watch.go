package memetcd

import (
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// Watch is one watch. It is pulled: Next is what the server would send now.
type Watch struct {
	request *pb.WatchCreateRequest
	span    span
	next    int64 // the first revision that was not looked at yet
	over    bool
}

// Watch begins one; the answer is to be sent before anything that Next gives.
func (s *Store) Watch(r *pb.WatchCreateRequest) (*Watch, *pb.WatchResponse) {
	w := &Watch{request: r, span: spanOf(r.Key, r.RangeEnd), next: r.StartRevision}
	if w.span.key == "" {
		w.span.key = "\x00"
	}
	if r.StartRevision == 0 {
		w.next = s.revision + 1
	}
	resp := &pb.WatchResponse{Header: s.header(s.revision), WatchId: r.WatchId, Created: true}
	if r.StartRevision < 0 {
		w.over, resp.Canceled, resp.CancelReason = true, true, "etcdserver: mvcc: required revision has been compacted"
	}
	return w, resp
}

// Pending says whether Next has something to tell. It passes over what the watch
// does not want, as a server does that has sent it all before.
func (s *Store) Pending(w *Watch) bool {
	if w.over || w.next > s.revision {
		return false
	}
	if w.next < s.compacted || slices.ContainsFunc(s.Events(w.next-1), w.wants) {
		return true
	}
	w.next = s.revision + 1
	return false
}

// Next is what happened since, of at most so many revisions (0: no bound), as
// one response or as its fragments; nil when nothing did. A watch whose
// revisions are compacted is told so, and over.
func (s *Store) Next(w *Watch, revisions int) []*pb.WatchResponse {
	if !s.Pending(w) {
		return nil
	}
	if w.next < s.compacted {
		w.over = true
		return []*pb.WatchResponse{{Header: s.header(s.revision), WatchId: w.request.WatchId, Canceled: true, CompactRevision: s.compacted}}
	}
	events := s.eventsFor(w, revisions)
	if len(events) == 0 {
		return nil
	}
	resp := &pb.WatchResponse{Header: s.header(s.revision), WatchId: w.request.WatchId, Events: events}
	if !w.request.Fragment {
		return []*pb.WatchResponse{resp}
	}
	return fragments(resp, s.cfg.MaxRequestBytes+grpcOverhead)
}

// eventsFor never splits a revision.
func (s *Store) eventsFor(w *Watch, revisions int) []*mvccpb.Event {
	var events []*mvccpb.Event
	seen, last := 0, int64(0)
	for _, e := range s.log[s.logAfter(w.next-1):] {
		rev := e.Kv.ModRevision
		if !w.wants(e) {
			continue
		}
		if rev != last {
			if revisions > 0 && seen == revisions {
				w.next = rev
				return events
			}
			seen, last = seen+1, rev
		}
		events = append(events, s.shown(w, e))
	}
	w.next = s.revision + 1
	return events
}

func (w *Watch) wants(e *mvccpb.Event) bool {
	if !holds(w.span, e.Kv.Key) {
		return false
	}
	for _, f := range w.request.Filters {
		if f == pb.WatchCreateRequest_NOPUT && e.Type == mvccpb.Event_PUT || f == pb.WatchCreateRequest_NODELETE && e.Type == mvccpb.Event_DELETE {
			return false
		}
	}
	return true
}

// shown adds the key's value before, unless it is compacted.
func (s *Store) shown(w *Watch, e *mvccpb.Event) *mvccpb.Event {
	before := e.Kv.ModRevision - 1
	created := e.Type == mvccpb.Event_PUT && e.Kv.CreateRevision == e.Kv.ModRevision
	if !w.request.PrevKv || created || before < s.compacted {
		return e
	}
	return &mvccpb.Event{Type: e.Type, Kv: e.Kv, PrevKv: s.at(string(e.Kv.Key), before)}
}

// Progress is the notification that a watch has been told all up to the latest
// revision; nil when it has not.
func (s *Store) Progress(w *Watch) *pb.WatchResponse {
	if w.over || w.next <= s.revision {
		return nil
	}
	return &pb.WatchResponse{Header: s.header(s.revision), WatchId: w.request.WatchId}
}

// fragments splits a response that is larger than most; all but the last say
// that more follows.
func fragments(resp *pb.WatchResponse, most int) []*pb.WatchResponse {
	if proto.Size(resp) < most || len(resp.Events) < 2 {
		return []*pb.WatchResponse{resp}
	}
	var out []*pb.WatchResponse
	part := &pb.WatchResponse{Header: resp.Header, WatchId: resp.WatchId}
	for _, e := range resp.Events {
		part.Events = append(part.Events, e)
		if len(part.Events) > 1 && proto.Size(part) >= most {
			part.Events = part.Events[:len(part.Events)-1]
			part.Fragment = true
			out = append(out, part)
			part = &pb.WatchResponse{Header: resp.Header, WatchId: resp.WatchId, Events: []*mvccpb.Event{e}}
		}
	}
	return append(out, part)
}
