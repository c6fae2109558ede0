package berth

import (
	"fmt"
	"iter"
	"slices"
)

// TopologyHost is the topology whose domains are the workers themselves. Any
// other is a label of workers, and its domains are the label's values.
const TopologyHost = "host"

// RequestLabel selects the requests of the pool that have a label of a value and are placed.
type RequestLabel struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// String is the label as in flags.
func (l RequestLabel) String() string { return l.Label + "=" + l.Value }

// Affinity is where a request is to be (in Request.Affinity), or not to be (in
// Request.AntiAffinity): in a domain of a topology where some requests are, or on
// workers with some labels. It binds the request that has it, when that is placed.
type Affinity struct {
	Requests *RequestLabel `json:"requests,omitempty"`
	Topology string        `json:"topology,omitempty"` // with Requests
	Workers  []Constraint  `json:"workers,omitempty"`  // all of them; preferred only: constraints are required
	Weight   int64         `json:"weight,omitempty"`   // 1 to MaxWeight: preferred; 0: required
}

// Spread keeps the numbers of some requests in the domains of a topology within
// MaxSkew of the domain with the fewest.
type Spread struct {
	Requests RequestLabel `json:"requests"`
	Topology string       `json:"topology"`
	MaxSkew  int64        `json:"max_skew"`
	Weight   int64        `json:"weight,omitempty"` // as in Affinity
}

// Related says whether where r may go depends on where other requests are.
func (r *Request) Related() bool {
	required := func(a Affinity) bool { return a.Weight == 0 }
	return slices.ContainsFunc(r.Affinity, required) || slices.ContainsFunc(r.AntiAffinity, required) ||
		slices.ContainsFunc(r.Spread, func(s Spread) bool { return s.Weight == 0 })
}

// Relations are the requests that r's entries are about, required or preferred, each with
// the topology; some may come twice.
func (r *Request) Relations() iter.Seq2[RequestLabel, string] {
	return func(yield func(RequestLabel, string) bool) {
		for _, entries := range [...][]Affinity{r.Affinity, r.AntiAffinity} {
			for i := range entries {
				if a := &entries[i]; a.Requests != nil && !yield(*a.Requests, a.Topology) {
					return
				}
			}
		}
		for i := range r.Spread {
			if !yield(r.Spread[i].Requests, r.Spread[i].Topology) {
				return
			}
		}
	}
}

// Matches says whether a request with these labels is one of those selected.
func (l RequestLabel) Matches(labels map[string]string) bool {
	v, ok := labels[l.Label]
	return ok && v == l.Value
}

// normalizeAffinity fills in topologies, and writes operators as they are stored.
func normalizeAffinity(list []Affinity) []Affinity {
	if len(list) == 0 {
		return list
	}
	out := slices.Clone(list)
	for i := range out {
		if out[i].Requests != nil {
			setDefault(&out[i].Topology, TopologyHost)
		}
		out[i].Workers = normalizeConstraints(out[i].Workers)
	}
	return out
}

func normalizeSpread(list []Spread) []Spread {
	if len(list) == 0 {
		return list
	}
	out := slices.Clone(list)
	for i := range out {
		setDefault(&out[i].Topology, TopologyHost)
		setDefault(&out[i].MaxSkew, 1)
	}
	return out
}

func (r Request) validateRelations() error {
	for _, list := range []struct {
		field string
		terms []Affinity
	}{{"affinity", r.Affinity}, {"anti_affinity", r.AntiAffinity}} {
		if err := checkCount(list.field, len(list.terms), MaxAffinities); err != nil {
			return err
		}
		for i, a := range list.terms {
			if err := a.validate(); err != nil {
				return inField(fmt.Sprintf("%s[%d].", list.field, i), err)
			}
		}
	}
	if err := r.validateNearAndApart(); err != nil {
		return err
	}
	if err := checkCount("spread", len(r.Spread), MaxSpreads); err != nil {
		return err
	}
	for i, s := range r.Spread {
		if err := s.validate(); err != nil {
			return inField(fmt.Sprintf("spread[%d].", i), err)
		}
	}
	return nil
}

// validateNearAndApart refuses what no domain could meet, whoever comes or ends. What is one of those itself may go where none of them is, as their first.
func (r Request) validateNearAndApart() error {
	for i, near := range r.Affinity {
		if near.Weight > 0 || near.Requests == nil || near.Requests.Matches(r.Labels) {
			continue
		}
		if j := slices.IndexFunc(r.AntiAffinity, func(apart Affinity) bool {
			return apart.Weight == 0 && apart.Requests != nil && *apart.Requests == *near.Requests && apart.Topology == near.Topology
		}); j >= 0 {
			return &FieldError{
				Field: fmt.Sprintf("affinity[%d]", i), Value: clip(near.Requests.String() + "@" + near.Topology),
				Problem: fmt.Sprintf("contradicts anti_affinity[%d]: no worker is near to them and apart from them", j), Bound: "one of the two required, the other with a weight or left out",
			}
		}
	}
	return nil
}

func (a Affinity) validate() error {
	switch {
	case a.Requests == nil && len(a.Workers) == 0:
		return &FieldError{Field: "requests", Problem: "is missing", Bound: "requests with topology, or workers"}
	case a.Requests != nil && len(a.Workers) > 0:
		return &FieldError{Field: "workers", Problem: "stands beside requests", Bound: "one of the two"}
	case a.Requests == nil && a.Topology != "":
		return &FieldError{Field: "topology", Value: clip(a.Topology), Problem: "is given", Bound: "only with requests"}
	}
	if a.Requests == nil {
		if err := validateConstraints("workers", a.Workers); err != nil {
			return err
		}
		if a.Weight == 0 { // what is required is a constraint
			return &FieldError{Field: "weight", Problem: "is missing", Bound: fmt.Sprintf("1 to %d", MaxWeight)}
		}
		return checkRange("weight", a.Weight, 1, MaxWeight)
	}
	if err := a.Requests.validate(a.Topology); err != nil {
		return err
	}
	return checkWeight(a.Weight)
}

func (s Spread) validate() error {
	if err := s.Requests.validate(s.Topology); err != nil {
		return err
	}
	if err := checkRange("max_skew", s.MaxSkew, 1, MaxSkew); err != nil {
		return err
	}
	return checkWeight(s.Weight)
}

// checkWeight bounds the weight of what may be required, too, which no weight is: 0
// is no value that a person would give.
func checkWeight(v int64) error {
	if v == 0 {
		return nil
	}
	return checkRange("weight", v, 1, MaxWeight)
}

func (l RequestLabel) validate(topology string) error {
	for _, f := range []struct {
		name, text string
		empty      bool
	}{{"requests.label", l.Label, false}, {"requests.value", l.Value, true}, {"topology", topology, false}} {
		if f.text == "" && !f.empty {
			return &FieldError{Field: f.name, Problem: "is empty", Bound: textBound(MaxLabelBytes)}
		}
		if err := checkText(f.name, f.text, MaxLabelBytes); err != nil {
			return err
		}
	}
	return nil
}
