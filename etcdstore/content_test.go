package etcdstore

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What is made once is what would be made each time.
func TestContentOf(t *testing.T) {
	spec := exampleRequest()
	spec.Command = append(spec.Command, "a < b && c > \"\u2028\xff")
	content := ContentOf(&spec)
	digest, err := spec.Digest()
	if err != nil || berth.DigestOf(content) != digest {
		t.Errorf("digest %s, want %s (%v)", berth.DigestOf(content), digest, err)
	}
	s := &Store{keys: keys{"/berth/"}}
	submit := berth.Submit{Submission: berth.Submission{Digest: digest, SubmittedAt: at(1), Spec: spec}}
	value := func() string {
		t.Helper()
		tx, err := s.encodePlan(&berth.Plan{ID: "t", Submits: []berth.Submit{submit}})
		if err != nil {
			t.Fatal(err)
		}
		return string(tx.puts[0].value)
	}
	want := value()
	if submit.Content = content; value() != want {
		t.Errorf("with its content it is written as\n%s, want\n%s", value(), want)
	}
	submit.SubmittedAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := s.encodePlan(&berth.Plan{ID: "t", Submits: []berth.Submit{submit}}); err == nil {
		t.Error("a time that JSON cannot say is written")
	}
}
