package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// groupStateEnded is what a group is called of which the store has no record any more, but its members'.
const groupStateEnded = "ENDED"

// groupOrEnded is a group, and of one that has ended its members as well: of it nobody else tells any more.
func groupOrEnded(ctx context.Context, cl *client.Client, id string) (*berthv1.Group, []*berthv1.Status, error) {
	g, err := cl.Group(ctx, id)
	if err == nil {
		return g, nil, nil
	}
	if endedMember(ctx, cl, id) == "" {
		return nil, nil, err
	}
	var members []*berthv1.Status
	filter := &berthv1.Filter{Group: id, Ended: true}
	if listErr := cl.List(ctx, filter, func(s *berthv1.Status) error { members = append(members, s); return nil }); listErr != nil {
		return nil, nil, fmt.Errorf("get the members of group %s: %w", id, listErr)
	}
	if len(members) == 0 {
		return nil, nil, err // forgotten since
	}
	return endedGroup(id, members), members, nil
}

// endedGroup is a group by its members that are kept. It has ended when the last of them has.
func endedGroup(id string, members []*berthv1.Status) *berthv1.Group {
	of := members[0].GetSpec().GetGroup()
	g := &berthv1.Group{
		Id: id, State: groupStateEnded, Size: of.GetSize(), MinCount: of.GetMinCount(), Topology: of.GetTopology(), Linked: of.GetLinked(),
		States: map[string]int64{}, Spec: members[0].GetSpec(),
	}
	for _, s := range members {
		g.States[s.GetState()]++
		switch {
		case s.GetState() == string(berth.StateSucceeded):
			g.Succeeded++
		case berth.State(s.GetState()).Final():
			g.Failed++
		}
		g.Members = append(g.Members, s.GetId())
		g.Attempt, g.Revision = max(g.GetAttempt(), s.GetAttempt()), max(g.GetRevision(), s.GetRevision())
		if at := s.GetEndedAt(); at.AsTime().After(g.GetSince().AsTime()) {
			g.Since = at
		}
	}
	return g
}

// endedMembersText counts members by how they ended.
func endedMembersText(g *berthv1.Group) string {
	var out []string
	kept := int64(0)
	for _, state := range sortedKeys(g.GetStates()) {
		out = append(out, fmt.Sprintf("%d %s", g.GetStates()[state], state))
		kept += g.GetStates()[state]
	}
	if gone := g.GetSize() - kept; gone > 0 {
		out = append(out, fmt.Sprintf("%d not kept any more", gone))
	}
	return strings.Join(out, ", ")
}

// printEndedGroup tells how a group ended, and then of its members what list does.
func printEndedGroup(w io.Writer, g *berthv1.Group, members []*berthv1.Status) error {
	now, spec := time.Now(), g.GetSpec()
	submitted := firstSubmitted(members)
	t := table{paint: painter(w)}
	for _, row := range [][2]string{
		{"group", g.GetId()},
		{"state", g.GetState()},
		{"size", fmt.Sprintf("%d, at least %d together", g.GetSize(), g.GetMinCount())},
		{"members", endedMembersText(g)},
		{"attempt", strconv.FormatInt(g.GetAttempt(), 10)},
		{"command", strings.Join(spec.GetCommand(), " ")},
		{"pool", spec.GetPool()},
		{"each wants", wants(spec.GetResources())},
		{"submitted", moment(submitted, now)},
		{"ended", since(g.GetSince(), submitted)},
	} {
		if row[1] != "" {
			t.add(row[0], row[1])
		}
	}
	if err := t.write(w); err != nil {
		return err
	}
	list := table{paint: painter(w), words: "NOTE"}
	list.add(listHead...)
	for _, s := range members {
		list.add(listRow(s, now)...)
	}
	return list.write(w)
}

func firstSubmitted(members []*berthv1.Status) (first *timestamppb.Timestamp) {
	for _, s := range members {
		if at := s.GetSubmittedAt(); first == nil || at != nil && at.AsTime().Before(first.AsTime()) {
			first = at
		}
	}
	return first
}
