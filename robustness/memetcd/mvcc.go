package memetcd

import (
	"slices"
	"sort"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// span is the keys from key to end: only key where end is empty, all from key on
// where end is one zero byte.
type span struct{ key, end string }

func spanOf(key, end []byte) span { return span{string(key), string(end)} }

func (r span) holds(key string) bool { return holds(r, key) }

// holds compares bytes without making a string of them: many watches look.
func holds[K string | []byte](r span, key K) bool {
	switch r.end {
	case "":
		return string(key) == r.key
	case "\x00":
		return string(key) >= r.key
	}
	return string(key) >= r.key && string(key) < r.end
}

// within lists the indexed keys of a span.
func (s *Store) within(r span) []string {
	if r.end == "" {
		if _, ok := s.keys[r.key]; ok {
			return []string{r.key}
		}
		return nil
	}
	from := sort.SearchStrings(s.index, r.key)
	to := len(s.index)
	if r.end != "\x00" {
		to = sort.SearchStrings(s.index, r.end)
	}
	return s.index[from:max(from, to)]
}

// at is a key's version at rev, or nil.
func (s *Store) at(key string, rev int64) *mvccpb.KeyValue {
	versions := s.keys[key]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].ModRevision > rev {
			continue
		}
		if versions[i].Version == 0 {
			return nil
		}
		return versions[i]
	}
	return nil
}

// live lists what a span holds at rev, by key.
func (s *Store) live(r span, rev int64) []*mvccpb.KeyValue {
	var kvs []*mvccpb.KeyValue
	for _, key := range s.within(r) {
		if kv := s.at(key, rev); kv != nil {
			kvs = append(kvs, kv)
		}
	}
	return kvs
}

// Bytes that a version takes beyond its key and value, about as in bbolt.
const versionOverhead = 100

func cost(kv *mvccpb.KeyValue) int64 { return int64(len(kv.Key)+len(kv.Value)) + versionOverhead }

// write makes a key's next version at rev; a nil value with deleted is its end.
func (s *Store) write(kv *mvccpb.KeyValue, typ mvccpb.Event_EventType) {
	key := string(kv.Key)
	versions, known := s.keys[key]
	if !known {
		i := sort.SearchStrings(s.index, key)
		s.index = slices.Insert(s.index, i, key)
	}
	s.keys[key] = append(versions, kv)
	s.log = append(s.log, &mvccpb.Event{Type: typ, Kv: kv})
	s.used += cost(kv)
	s.file = max(s.file, s.used)
}

// putKey writes a value at rev and moves the key to its lease.
func (s *Store) putKey(key string, value []byte, leaseID, rev int64) {
	kv := &mvccpb.KeyValue{Key: []byte(key), Value: value, CreateRevision: rev, ModRevision: rev, Version: 1, Lease: leaseID}
	if old := s.at(key, rev); old != nil {
		kv.CreateRevision, kv.Version = old.CreateRevision, old.Version+1
		s.detach(old.Lease, key)
	}
	s.attach(leaseID, key)
	s.write(kv, mvccpb.Event_PUT)
}

// deleteKey ends a key that lives.
func (s *Store) deleteKey(key string, rev int64) {
	if old := s.at(key, rev); old != nil {
		s.detach(old.Lease, key)
		s.write(&mvccpb.KeyValue{Key: []byte(key), ModRevision: rev}, mvccpb.Event_DELETE)
	}
}

// logAfter is the index in the log of the first event after rev.
func (s *Store) logAfter(rev int64) int {
	return sort.Search(len(s.log), func(i int) bool { return s.log[i].Kv.ModRevision > rev })
}

// forget drops the history before rev. Of each key its latest version at rev
// stays; a tombstone only if it was made at rev itself.
func (s *Store) forget(rev int64) {
	s.compacted = rev
	s.log = slices.Clone(s.log[s.logAfter(rev-1):])
	kept := s.index[:0]
	for _, key := range s.index {
		versions := s.keys[key]
		first := 0
		for first+1 < len(versions) && versions[first+1].ModRevision <= rev {
			first++
		}
		if v := versions[first]; v.Version == 0 && v.ModRevision < rev {
			first++
		}
		for _, v := range versions[:first] {
			s.used -= cost(v)
		}
		if first == len(versions) {
			delete(s.keys, key)
			continue
		}
		s.keys[key] = slices.Clone(versions[first:])
		kept = append(kept, key)
	}
	s.index = kept
}

// At is what a key holds now, or nil.
func (s *Store) At(key string) *mvccpb.KeyValue { return s.at(key, s.revision) }
