package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// What a request runs is as its flags say.
func TestRequestOf_WhatItRuns(t *testing.T) {
	got := requestBy(t, "--image", "train:3", "--dir", "/srv", "--user", "train", "--", "x", "y")
	if got.GetImage() != "train:3" || got.GetDir() != "/srv" || got.GetUser() != "train" || len(got.GetCommand()) != 2 {
		t.Errorf("read as %v", got)
	}
}

// requestBy is the request of a command line.
func requestBy(t *testing.T, args ...string) (got *berthv1.Request) {
	t.Helper()
	app := newApp()
	app.Commands = []*cli.Command{{
		Name: "submit", Flags: flatten(requestFlags(), groupFlags()), Action: func(c *cli.Context) (err error) {
			got, err = requestOf(c)
			return errors.Join(err, readGroup(c, got))
		},
	}}
	if err := app.Run(slices.Concat([]string{"berth", "submit"}, args)); err != nil {
		t.Fatal(err)
	}
	return got
}

// Every field that docs/requests.md lists is also a flag.
func TestRequestOf_EveryField(t *testing.T) {
	r := requestBy(t,
		"--id", "a", "--tenant", "t", "--pool", "p", "--priority", "1", "--preemption", "lower", "--env", "A=b", "--dir", "/", "--user", "u", "--image", "i", "--label", "a=b",
		"--cpu", "1", "--memory", "1GiB", "--disk", "1GiB", "--custom", "a=1", "--port", "http=80", "--device", "h100=2@1GiB+linked",
		"--constraint", "zone in (a,b)", "--toleration", "gpu=yes:no_run",
		"--affinity", "app=web@rack:5", "--affinity-workers", "disk in (ssd):30", "--anti-affinity", "app=web@rack:5", "--anti-affinity-workers", "disk in (ssd):30",
		"--spread", "app=web@rack/2:5", "--affinity-key", "k", "--group-size", "3", "--group-min", "2", "--group-topology", "rack", "--group-linked",
		"--attempts", "2", "--retry-on", "oom,lost", "--retry-on-failure", "--retry-backoff", "2s",
		"--stop-timeout", "1s", "--start-timeout", "1s", "--run-limit", "1s", "--pending-limit", "1s", "--on-disconnect-keep", "1s",
		"--", "true")
	given := map[string]bool{}
	// A group takes neither of these.
	gather(requestBy(t, "--on-drain", "replace", "--device", "t4=1x500@1GiB+link:x", "--", "true").ProtoReflect(), "", given)
	gather(r.ProtoReflect(), "", given)
	for _, name := range fieldsOf(r.ProtoReflect().Descriptor(), "") {
		// A daemon gives the one, and the other can only be the id.
		if !given[name] && name != "replaces" && name != "group.id" {
			t.Errorf("field %s is given by no flag", name)
		}
	}
}

// fieldsOf are the fields of a message, with those of the messages in it.
func fieldsOf(d protoreflect.MessageDescriptor, path string) (names []string) {
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		names = append(names, path+string(f.Name()))
		if f.Kind() == protoreflect.MessageKind && !f.IsMap() {
			names = append(names, fieldsOf(f.Message(), path+string(f.Name())+".")...)
		}
	}
	return names
}

// gather notes which fields have a value.
func gather(m protoreflect.Message, path string, given map[string]bool) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := path + string(f.Name())
		given[name] = true
		switch {
		case f.Kind() != protoreflect.MessageKind || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				gather(v.List().Get(i).Message(), name+".", given)
			}
		default:
			gather(v.Message(), name+".", given)
		}
		return true
	})
}
