package wire

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Text is text that a message can hold: a string of protobuf is UTF-8, and one that
// is not loses the whole message that it stands in.
func Text(s string) string { return strings.ToValidUTF8(s, "?") }

// Time is the message of a moment; of the zero one, nil.
func Time(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// Capacity is the message of a capacity.
func Capacity(c berth.Capacity) *berthv1.Capacity {
	m := &berthv1.Capacity{CpuMilli: c.CPUMilli, MemoryBytes: c.MemoryBytes, DiskBytes: c.DiskBytes, Custom: c.Custom}
	if !c.Ports.IsZero() {
		m.Ports = &berthv1.PortRange{First: c.Ports.First, Last: c.Ports.Last}
	}
	for _, d := range c.Devices {
		m.Devices = append(m.Devices, &berthv1.Device{Name: d.Name, Type: d.Type, MemoryBytes: d.MemoryBytes, NumaNode: d.NUMANode, Link: d.Link})
	}
	return m
}

// Taints is the message of taints.
func Taints(taints []berth.Taint) (out []*berthv1.Taint) {
	for _, t := range taints {
		out = append(out, &berthv1.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

// ToTaint is the taint of a message, its effect in whatever spelling.
func ToTaint(m *berthv1.Taint) berth.Taint {
	return berth.Taint{Key: m.GetKey(), Value: m.GetValue(), Effect: berth.Effect(m.GetEffect())}.Normalize()
}

// Share is the message of a share; of none, nil.
func Share(s *berth.Share) *berthv1.Share {
	if s == nil {
		return nil
	}
	m := &berthv1.Share{CpuMilli: s.CPUMilli, MemoryBytes: s.MemoryBytes, DiskBytes: s.DiskBytes, Custom: s.Custom, Ports: s.Ports}
	for _, d := range s.Devices {
		m.Devices = append(m.Devices, &berthv1.DeviceShare{Name: d.Name, Milli: d.Milli})
	}
	return m
}

// Exit is the message of an exit; of none, nil.
func Exit(e *berth.Exit) *berthv1.Exit {
	if e == nil {
		return nil
	}
	return &berthv1.Exit{Kind: string(e.Kind), Code: e.Code, Signal: Text(e.Signal), OutOfMemory: e.OOM, Message: Text(e.Message), At: Time(e.At)}
}

// StopOrder is the message of a stop order; of none, nil.
func StopOrder(s *berth.StopOrder) *berthv1.StopOrder {
	if s == nil {
		return nil
	}
	return &berthv1.StopOrder{Reason: string(s.Reason), Deadline: Time(s.Deadline), Message: Text(s.Message), ReplacedBy: string(s.ReplacedBy)}
}

// Verdict is the message of a verdict; of none, nil.
func Verdict(v *berth.Verdict) *berthv1.Verdict {
	if v == nil {
		return nil
	}
	return &berthv1.Verdict{NeverFits: v.NeverFits, Reasons: reasons(v.Reasons), At: int64(v.At)}
}

// Miss is the message of a worker that a request does not fit; of none, nil.
func Miss(m *berth.Miss) *berthv1.Miss {
	if m == nil {
		return nil
	}
	return &berthv1.Miss{Worker: string(m.Worker), Could: m.Could, Reasons: reasons(m.Reasons)}
}

// Standings are the messages of how workers stood.
func Standings(all []berth.Standing) []*berthv1.Standing {
	var out []*berthv1.Standing
	for _, s := range all {
		m := &berthv1.Standing{Worker: string(s.Worker)}
		for _, t := range s.Terms {
			m.Terms = append(m.Terms, &berthv1.Term{Name: t.Name, Value: t.Value, Is: t.Is, Number: t.Number, Decides: t.Decides})
		}
		out = append(out, m)
	}
	return out
}

func reasons(all []berth.Reason) []*berthv1.Reason {
	var out []*berthv1.Reason
	for _, r := range all {
		m := &berthv1.Reason{
			Code: string(r.Code), Detail: Text(r.Detail), Workers: int64(r.Workers), Want: r.Want, Best: r.Best, Total: r.Total, Ever: r.Ever,
			Near: Text(r.Near), There: r.There,
		}
		for _, w := range r.Some {
			m.Some = append(m.Some, string(w))
		}
		for _, t := range r.Tenants {
			m.Tenants = append(m.Tenants, string(t))
		}
		for _, p := range r.Pools {
			m.Pools = append(m.Pools, string(p))
		}
		m.Stands = stand(r.Stands)
		out = append(out, m)
	}
	return out
}

func stand(s *berth.QuotaStand) *berthv1.QuotaStand {
	if s == nil {
		return nil
	}
	return &berthv1.QuotaStand{
		Limit: s.Limit, Guarantees: s.Guarantees, Guaranteed: s.Guaranteed, Lent: s.Lent, Borrowed: s.Borrowed, Allowed: s.Allowed, Used: s.Used,
		Borrowers: tenants(s.Borrowers), Lenders: tenants(s.Lenders), Idle: s.Idle, Ever: s.Ever, Ahead: tenants(s.Ahead), Keeping: tenants(s.Keeping),
		Reclaims: reclaims(s.Reclaims), Gathers: Gathered(s.Gathers), Have: s.Have,
	}
}

// Gathered is the message of what quota is gathered for, or nil.
func Gathered(g *berth.Gathered) *berthv1.Gathered {
	if g == nil {
		return nil
	}
	m := &berthv1.Gathered{Group: string(g.Group), Request: string(g.Request), Since: Time(g.Since), Need: map[string]int64{}, Has: map[string]int64{}}
	for d, v := range g.Need {
		m.Need[string(d)], m.Has[string(d)] = v, g.Has[d]
	}
	return m
}

func tenants(of []berth.TenantID) (out []string) {
	for _, t := range of {
		out = append(out, string(t))
	}
	return out
}

func reclaims(all []berth.Reclaim) (out []*berthv1.Reclaim) {
	for _, r := range all {
		out = append(out, &berthv1.Reclaim{From: string(r.From), Amount: r.Amount, At: Time(r.At), Stopping: int64(r.Stopping), Until: Time(r.Until)})
	}
	return out
}

// Violation is the message of a value out of its bound.
func Violation(e *berth.FieldError) *berthv1.FieldViolation {
	return &berthv1.FieldViolation{Field: Text(e.Field), Value: Text(e.Value), Problem: Text(e.Problem), Bound: Text(e.Bound)}
}

// FieldError is the error of such a message.
func FieldError(m *berthv1.FieldViolation) *berth.FieldError {
	return &berth.FieldError{Field: m.GetField(), Value: m.GetValue(), Problem: m.GetProblem(), Bound: m.GetBound()}
}
