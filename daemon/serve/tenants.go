package serve

import (
	"cmp"
	"context"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/daemon"
)

func (s *service) Quotas(ctx context.Context, _ *berthv1.QuotasRequest) (*berthv1.QuotasResponse, error) {
	all, err := s.d.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	out := &berthv1.QuotasResponse{}
	for i := range all {
		out.Quotas = append(out.Quotas, quotaMessage(&all[i]))
	}
	return out, nil
}

func (s *service) SetQuota(ctx context.Context, req *berthv1.SetQuotaRequest) (*berthv1.SetQuotaResponse, error) {
	c := daemon.QuotaChange{
		Tenant: berth.TenantID(req.GetTenant()), Pool: cmp.Or(berth.PoolID(req.GetPool()), berth.DefaultPool),
		Set: make(berth.Amounts), All: req.GetAll(), Weight: req.GetWeight(),
	}
	for d, v := range req.GetSet() {
		c.Set[berth.Dimension(d)] = v
	}
	for _, d := range req.GetUnset() {
		c.Unset = append(c.Unset, berth.Dimension(d))
	}
	if len(req.GetGuarantee()) > 0 {
		c.Guarantee = make(berth.Amounts)
	}
	for d, v := range req.GetGuarantee() {
		c.Guarantee[berth.Dimension(d)] = v
	}
	for _, d := range req.GetUnguarantee() {
		c.Unguarantee = append(c.Unguarantee, berth.Dimension(d))
	}
	c.ReclaimAfterMS, c.NeverReclaim = req.ReclaimAfterMs, req.GetNeverReclaim()
	q, err := s.d.SetQuota(ctx, c)
	if err != nil {
		return nil, err
	}
	return &berthv1.SetQuotaResponse{Quota: quotaMessage(&q)}, nil
}

func quotaMessage(q *daemon.QuotaStatus) *berthv1.Quota {
	return &berthv1.Quota{
		Tenant: string(q.Tenant), Pool: string(q.Pool), Waiting: int64(q.Waiting),
		Limits: words(q.Limits), Used: words(q.Used), Taken: words(q.Taken), Turn: turnMessage(&q.Turn),
		Guaranteed: words(q.Loans.Guaranteed), Allowed: words(q.Allowed), Lent: loans(q.Loans.Lent, &q.Loans), Borrowed: loans(q.Loans.Borrowed, &berth.Quota{}),
		ReclaimAfterMs: q.Loans.ReclaimAfterMS, Gathers: wire.Gathered(q.Gathers),
	}
}

// loans are some of a quota, with what of it is wanted back.
func loans(all berth.Loans, of *berth.Quota) (out []*berthv1.Loan) {
	for _, t := range all.Tenants() {
		one := &berthv1.Loan{Tenant: string(t), Amounts: words(all[t]), Recalled: words(of.Recalled[t])}
		if len(of.Recalled[t]) > 0 {
			one.RecalledSince = wire.Time(of.RecalledSince[t])
		}
		out = append(out, one)
	}
	return out
}

func turnMessage(t *daemon.TurnStatus) *berthv1.Turn {
	if t == nil {
		return nil
	}
	return &berthv1.Turn{Weight: t.Weight, Share: t.Share, Of: string(t.Of), Tenants: int64(t.Tenants), Ahead: int64(t.Ahead), Own: int64(t.Own), OwnFirst: string(t.OwnFirst), OwnPriority: t.OwnPriority, Older: int64(t.Older), OlderFirst: string(t.OlderFirst)}
}

// words are amounts by their dimension's word.
func words(a berth.Amounts) map[string]int64 {
	out := make(map[string]int64, len(a))
	for d, v := range a {
		out[string(d)] = v
	}
	return out
}
