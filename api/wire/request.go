package wire

import (
	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// FromRequest is the message of a request.
func FromRequest(r *berth.Request) *berthv1.Request {
	m := &berthv1.Request{
		Id: string(r.ID), Tenant: string(r.Tenant), Pool: string(r.Pool), Priority: r.Priority,
		Command: r.Command, Env: r.Env, Dir: r.Dir, User: r.User, Image: r.Image,
		Resources: fromDemand(r.Resources), AffinityKey: r.AffinityKey, Labels: r.Labels,
		Retry:         fromRetry(r.Retry),
		StopTimeoutMs: r.StopTimeoutMS, StartTimeoutMs: r.StartTimeoutMS,
		RunLimitMs: r.RunLimitMS, PendingLimitMs: r.PendingLimitMS, OnDisconnectKeepMs: r.KeepMS,
		OnDrain: string(r.OnDrain), Preemption: string(r.Preemption), Replaces: string(r.Replaces),
	}
	m.Constraints = fromConstraints(r.Constraints)
	for _, t := range r.Tolerations {
		m.Tolerations = append(m.Tolerations, &berthv1.Toleration{Key: t.Key, Operator: string(t.Operator), Value: t.Value, Effect: string(t.Effect)})
	}
	m.Affinity, m.AntiAffinity = fromAffinity(r.Affinity), fromAffinity(r.AntiAffinity)
	for _, s := range r.Spread {
		m.Spread = append(m.Spread, &berthv1.Spread{
			Requests: &berthv1.RequestLabel{Label: s.Requests.Label, Value: s.Requests.Value}, Topology: s.Topology, MaxSkew: s.MaxSkew, Weight: s.Weight,
		})
	}
	if g := r.Group; g != nil {
		m.Group = &berthv1.Membership{Id: string(g.ID), Size: g.Size, MinCount: g.MinCount, Topology: g.Topology, Linked: g.Linked}
	}
	return m
}

func fromRetry(p berth.RetryPolicy) *berthv1.RetryPolicy {
	m := &berthv1.RetryPolicy{MaxAttempts: p.MaxAttempts, OnFailure: p.OnFailure, BackoffMs: p.BackoffMS}
	for _, end := range p.On {
		m.On = append(m.On, string(end))
	}
	return m
}

func toRetry(m *berthv1.RetryPolicy) berth.RetryPolicy {
	p := berth.RetryPolicy{MaxAttempts: m.GetMaxAttempts(), OnFailure: m.GetOnFailure(), BackoffMS: m.GetBackoffMs()}
	for _, end := range m.GetOn() {
		p.On = append(p.On, berth.RetryEnd(end))
	}
	return p
}

func fromDemand(d berth.Demand) *berthv1.Demand {
	m := &berthv1.Demand{CpuMilli: d.CPUMilli, MemoryBytes: d.MemoryBytes, DiskBytes: d.DiskBytes, Custom: d.Custom}
	for _, p := range d.Ports {
		m.Ports = append(m.Ports, &berthv1.PortDemand{Name: p.Name, Number: p.Number})
	}
	for _, v := range d.Devices {
		m.Devices = append(m.Devices, &berthv1.DeviceDemand{Types: v.Types, Count: v.Count, Milli: v.Milli, MemoryBytes: v.MemoryBytes, Linked: v.Linked, Link: v.Link})
	}
	return m
}

// ToRequest is the request of a message, not yet normalized.
func ToRequest(m *berthv1.Request) berth.Request {
	r := berth.Request{
		ID: berth.RequestID(m.GetId()), Tenant: berth.TenantID(m.GetTenant()), Pool: berth.PoolID(m.GetPool()), Priority: m.GetPriority(),
		Command: m.GetCommand(), Env: m.GetEnv(), Dir: m.GetDir(), User: m.GetUser(), Image: m.GetImage(),
		Resources: toDemand(m.GetResources()), AffinityKey: m.GetAffinityKey(), Labels: m.GetLabels(),
		Retry:         toRetry(m.GetRetry()),
		StopTimeoutMS: m.GetStopTimeoutMs(), StartTimeoutMS: m.GetStartTimeoutMs(),
		RunLimitMS: m.GetRunLimitMs(), PendingLimitMS: m.GetPendingLimitMs(), KeepMS: m.GetOnDisconnectKeepMs(),
		OnDrain: berth.OnDrain(m.GetOnDrain()), Preemption: berth.Preemption(m.GetPreemption()), Replaces: berth.RequestID(m.GetReplaces()),
	}
	r.Constraints = toConstraints(m.GetConstraints())
	for _, t := range m.GetTolerations() {
		r.Tolerations = append(r.Tolerations, berth.Toleration{
			Key: t.GetKey(), Operator: berth.TolerationOperator(t.GetOperator()), Value: t.GetValue(), Effect: berth.Effect(t.GetEffect()),
		})
	}
	r.Affinity, r.AntiAffinity = toAffinity(m.GetAffinity()), toAffinity(m.GetAntiAffinity())
	for _, s := range m.GetSpread() {
		r.Spread = append(r.Spread, berth.Spread{Requests: toLabel(s.GetRequests()), Topology: s.GetTopology(), MaxSkew: s.GetMaxSkew(), Weight: s.GetWeight()})
	}
	if g := m.GetGroup(); g != nil {
		r.Group = &berth.Membership{ID: berth.GroupID(g.GetId()), Size: g.GetSize(), MinCount: g.GetMinCount(), Topology: g.GetTopology(), Linked: g.GetLinked()}
	}
	return r
}

func toDemand(m *berthv1.Demand) berth.Demand {
	d := berth.Demand{Quantities: berth.Quantities{
		CPUMilli: m.GetCpuMilli(), MemoryBytes: m.GetMemoryBytes(), DiskBytes: m.GetDiskBytes(), Custom: m.GetCustom(),
	}}
	for _, p := range m.GetPorts() {
		d.Ports = append(d.Ports, berth.PortDemand{Name: p.GetName(), Number: p.GetNumber()})
	}
	for _, v := range m.GetDevices() {
		d.Devices = append(d.Devices, berth.DeviceDemand{Types: v.GetTypes(), Count: v.GetCount(), Milli: v.GetMilli(), MemoryBytes: v.GetMemoryBytes(), Linked: v.GetLinked(), Link: v.GetLink()})
	}
	return d
}

func fromConstraints(constraints []berth.Constraint) (out []*berthv1.Constraint) {
	for _, c := range constraints {
		out = append(out, &berthv1.Constraint{Label: c.Label, Operator: string(c.Operator), Values: c.Values})
	}
	return out
}

func toConstraints(constraints []*berthv1.Constraint) (out []berth.Constraint) {
	for _, c := range constraints {
		out = append(out, berth.Constraint{Label: c.GetLabel(), Operator: berth.Operator(c.GetOperator()), Values: c.GetValues()})
	}
	return out
}

func fromAffinity(list []berth.Affinity) (out []*berthv1.Affinity) {
	for _, a := range list {
		m := &berthv1.Affinity{Topology: a.Topology, Workers: fromConstraints(a.Workers), Weight: a.Weight}
		if a.Requests != nil {
			m.Requests = &berthv1.RequestLabel{Label: a.Requests.Label, Value: a.Requests.Value}
		}
		out = append(out, m)
	}
	return out
}

func toAffinity(list []*berthv1.Affinity) (out []berth.Affinity) {
	for _, m := range list {
		a := berth.Affinity{Topology: m.GetTopology(), Workers: toConstraints(m.GetWorkers()), Weight: m.GetWeight()}
		if m.GetRequests() != nil {
			l := toLabel(m.GetRequests())
			a.Requests = &l
		}
		out = append(out, a)
	}
	return out
}

func toLabel(m *berthv1.RequestLabel) berth.RequestLabel {
	return berth.RequestLabel{Label: m.GetLabel(), Value: m.GetValue()}
}
