package berth

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// GroupState is where a group is in its life.
type GroupState string

// A group goes from Pending to Placed, back to Pending with the next attempt when one
// of its members is to run again, and from either to Ending.
const (
	GroupPending GroupState = "PENDING" // none of this attempt's members has a place
	GroupPlaced  GroupState = "PLACED"  // the first of them have
	GroupEnding  GroupState = "ENDING"  // what is left of it is ended
)

// UnmarshalText rejects every word that is not a state.
func (s *GroupState) UnmarshalText(b []byte) error {
	return decodeWord(s, b, "group state", []GroupState{GroupPending, GroupPlaced, GroupEnding})
}

// Group is the record of groups/<g>.
type Group struct {
	Header
	Size     int64      `json:"size"`
	MinCount int64      `json:"min_count"`
	Digest   string     `json:"digest"`
	Attempt  int64      `json:"attempt"` // that is placed, or is to be
	State    GroupState `json:"state"`
	Since    time.Time  `json:"since"`                      // in this state
	Used     int64      `json:"used_attempts,omitempty"`    // that the retry policy has counted, of the group as a whole
	Excused  int64      `json:"excused_attempts,omitempty"` // that a drain or a preemption ended: they count nowhere
	Domain   string     `json:"domain,omitempty"`           // PLACED, with a topology: the label's value
	Link     string     `json:"link,omitempty"`             // PLACED, linked: the link domain
	Failed   int64      `json:"failed,omitempty"`           // members that ended other than SUCCEEDED
	LastEnd  EndReason  `json:"last_end,omitempty"`         // why the former attempt ended
	Reason   EndReason  `json:"reason,omitempty"`           // ENDING only
	Message  string     `json:"message,omitempty"`
}

// Hold keeps other daemons off workers for a moment, under holds/<g>; leased.
type Hold struct {
	Header
	Workers []WorkerID `json:"workers"`
}

// groupRoom is what the id of a group keeps free for its members' ".017".
const groupRoom = 8

// normalize returns a copy with its defaults filled in.
func (m Membership) normalize(request RequestID) *Membership {
	if m.ID == "" {
		m.ID = GroupID(request)
	}
	setDefault(&m.MinCount, m.Size)
	return &m
}

// IsGroup says whether a normalized request stands for a group: it is what each of
// the members is, but for the id.
func (r *Request) IsGroup() bool { return r.Group != nil && r.ID == RequestID(r.Group.ID) }

// ValidateAsked is Validate of a normalized request that somebody asks for: it names no group but
// itself, and replaces nothing. Daemons make what does, of members and of successors. What was stored before is taken though its group
// has the topology host, which means a label of that name there.
func (r *Request) ValidateAsked() error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Replaces != "" {
		return &FieldError{Field: "replaces", Value: string(r.Replaces), Problem: "is given", Bound: "nothing: a daemon sets it, in the successor of a request"}
	}
	if r.Group != nil && !r.IsGroup() {
		return &FieldError{Field: "group.id", Value: string(r.Group.ID), Problem: "is not the request's id", Bound: "nothing, or the id: the request stands for the whole group, and the daemon makes the members of it"}
	}
	if r.Group != nil && r.Group.Topology == TopologyHost {
		return &FieldError{Field: "group.topology", Value: TopologyHost, Problem: "is no label", Bound: "a label that workers have, as rack; members that are near each other on one host have an affinity to a label of their own"}
	}
	return nil
}

// Beside is a later member's request: it goes where the others are, where its group has
// a topology to the value of that label, and where it is linked to that link domain.
func (r Request) Beside(domain, link string) Request {
	if domain != "" {
		r.Constraints = append(slices.Clone(r.Constraints), Constraint{Label: r.Group.Topology, Operator: OperatorIn, Values: []string{domain}})
	}
	if link != "" {
		r.Resources = r.Resources.InLink(link)
	}
	return r
}

// JoinsAt is which of its constraints says where the others of its group are: see Beside. -1: none.
func (r *Request) JoinsAt() int {
	last := len(r.Constraints) - 1
	if r.Group == nil || r.Group.Topology == "" || last < 0 {
		return -1
	}
	if c := &r.Constraints[last]; c.Label != r.Group.Topology || c.Operator != OperatorIn || len(c.Values) != 1 {
		return -1
	}
	return last
}

// Members are the requests of a group: train.00, train.01 of train.
func (r *Request) Members() []Request {
	out := make([]Request, r.Group.Size)
	for i, id := range GroupID(r.ID).Members(r.Group.Size) {
		out[i] = *r
		out[i].ID = id
	}
	return out
}

// Members are the ids of a group's requests, in their order.
func (g GroupID) Members(size int64) []RequestID {
	width := len(strconv.FormatInt(size-1, 10))
	out := make([]RequestID, size)
	for i := range out {
		out[i] = RequestID(fmt.Sprintf("%s.%0*d", g, width, i))
	}
	return out
}

func (r Request) validateGroup() error {
	m := r.Group
	if m == nil {
		return nil
	}
	if err := CheckID("group.id", string(m.ID)); err != nil {
		return err
	}
	if len(m.ID) > MaxIDLength-groupRoom {
		return &FieldError{Field: "group.id", Value: clip(string(m.ID)), Problem: "is too long", Bound: fmt.Sprintf("at most %d characters", MaxIDLength-groupRoom)}
	}
	if err := m.validateCounts(); err != nil {
		return err
	}
	if r.OnDrain == OnDrainReplace {
		return &FieldError{Field: "on_drain", Value: string(r.OnDrain), Problem: "does not go with group", Bound: "stop: a member that moves takes its group along"}
	}
	if err := r.validateLinked(); err != nil {
		return err
	}
	return checkText("group.topology", m.Topology, MaxLabelBytes)
}

func (m *Membership) validateCounts() error {
	if err := checkRange("group.size", m.Size, 1, MaxGroupSize); err != nil {
		return err
	}
	return checkRange("group.min_count", m.MinCount, 1, m.Size)
}

// validateLinked refuses a linked group of whose devices that says nothing: see
// DeviceDemand.validateLink.
func (r Request) validateLinked() error {
	if !r.Group.Linked {
		return nil
	}
	each, link := int64(0), ""
	for i, d := range r.Resources.Devices {
		if d.Link != "" && link != "" && d.Link != link {
			return &FieldError{Field: fmt.Sprintf("resources.devices[%d].link", i), Value: clip(d.Link), Problem: "is another one than before", Bound: "one link domain, with group.linked"}
		}
		if d.Link != "" {
			link = d.Link
		}
		if each += d.Count; d.Milli != WholeDevice {
			return &FieldError{Field: fmt.Sprintf("resources.devices[%d].milli", i), Value: fmt.Sprint(d.Milli), Problem: "does not go with group.linked", Bound: "1000: whole devices"}
		}
	}
	switch {
	case each == 0:
		return &FieldError{Field: "group.linked", Value: "true", Problem: "says nothing without devices", Bound: "with resources.devices"}
	case each == 1 && r.Group.Size == 1:
		return &FieldError{Field: "group.linked", Value: "true", Problem: "says nothing of one device", Bound: "two devices or more in all"}
	}
	return nil
}
