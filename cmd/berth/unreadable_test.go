package main

import (
	"testing"
	"time"
)

// Who looks at the whole is told of records that nobody can read, and that fsck names them.
func TestStatus_Unreadable(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(0, "1 ready", "status")
		s.want(0, "", "submit", "--id", "good", "--", "sleep", "60") // its key is there until it has ended
		kvs, err := s.local.node.client.Get(t.Context(), "/berth/requests/good")
		if err != nil || len(kvs.Kvs) != 1 {
			t.Fatal(kvs, err)
		}
		if _, err := s.local.node.client.Put(t.Context(), "/berth/requests/stray", string(kvs.Kvs[0].Value)); err != nil {
			t.Fatal(err)
		}
		s.until("1 record cannot be read, and what it concerns is left alone: berth fsck", "status")
		s.want(exitFailed, "1 record in the store cannot be read: berth fsck", "status")
		s.want(exitViolations, "stray", "fsck")
		if _, err := s.local.node.client.Delete(t.Context(), "/berth/requests/stray"); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); s.do("status").code != 0; {
			if time.Now().After(end) {
				t.Fatal("when it is gone, status goes on telling of it")
			}
		}
	})
}
