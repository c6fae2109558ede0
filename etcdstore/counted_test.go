package etcdstore

import (
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/berthd/berth"
)

// What another hand has written is not counted with where it asks for less than nothing,
// or says that it is another's.
func TestDecode_WhatCannotBe(t *testing.T) {
	t.Parallel()
	request := func(key string, edit func(*berth.Submission)) berth.Fact {
		s := &berth.Submission{Header: berth.Header{Version: berth.RecordVersion, Txn: "t"}, Spec: berth.Request{
			ID: "a", Tenant: "default", Pool: "default", Command: []string{"true"},
			Group: &berth.Membership{ID: "g", Size: 2, MinCount: 1},
		}}
		edit(s)
		value, err := appendRecord(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		return decodeFact(berth.Key{Kind: berth.KindRequest, ID: key}, &mvccpb.KeyValue{Value: value})
	}
	worker := func(edit func(*berth.Capacity)) berth.Fact {
		w := &berth.Worker{Header: berth.Header{Version: berth.RecordVersion, Txn: "t"}, Pool: "default"}
		edit(&w.Capacity)
		value, err := appendRecord(nil, w)
		if err != nil {
			t.Fatal(err)
		}
		return decodeFact(berth.Key{Kind: berth.KindWorker, ID: "w"}, &mvccpb.KeyValue{Value: value})
	}
	for _, tt := range []struct {
		name, problem string // "": it is read
		got           berth.Fact
	}{
		{"as it should be", "", request("a", func(*berth.Submission) {})},
		{"another's", `"spec.id" is "a", and its key says "b"`, request("b", func(*berth.Submission) {})},
		{"CPU", "resources.cpu_milli", request("a", func(s *berth.Submission) { s.Spec.Resources.CPUMilli = -1 })},
		{"more CPU than there can be", "resources.cpu_milli", request("a", func(s *berth.Submission) { s.Spec.Resources.CPUMilli = berth.MaxCPUMilli + 1 })},
		{"a custom resource", "resources.custom.x", request("a", func(s *berth.Submission) { s.Spec.Resources.Custom = map[string]int64{"x": -1} })},
		{"a part of a device", "milli", request("a", func(s *berth.Submission) {
			s.Spec.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100"}, Count: 1, Milli: -500}}
		})},
		{"a port", "ports", request("a", func(s *berth.Submission) {
			s.Spec.Resources.Ports = []berth.PortDemand{{Name: "p", Number: 70_000}}
		})},
		{"a priority", "priority", request("a", func(s *berth.Submission) { s.Spec.Priority = -1 })},
		{"members", "group.size", request("a", func(s *berth.Submission) { s.Spec.Group.Size = 1 << 40 })},
		{"members that must be there", "group.min_count", request("a", func(s *berth.Submission) { s.Spec.Group.MinCount = 3 })},
		{"a worker as it should be", "", worker(func(*berth.Capacity) {})},
		{"a worker's memory", "memory_bytes", worker(func(c *berth.Capacity) { c.MemoryBytes = -1 })},
		{"a worker's ports", "ports", worker(func(c *berth.Capacity) { c.Ports = berth.PortRange{First: 9, Last: 3} })},
	} {
		bad, isBad := tt.got.Record.(*Undecodable)
		if isBad != (tt.problem != "") || isBad && !strings.Contains(bad.Err.Error(), tt.problem) {
			t.Errorf("%s: read as %+v, want %q", tt.name, tt.got.Record, tt.problem)
		}
	}
}
