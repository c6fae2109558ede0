package client

import (
	"context"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Quotas are what all tenants may use of pools, and what they do.
func (c *Client) Quotas(ctx context.Context) ([]*berthv1.Quota, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.QuotasResponse, error) {
		return rpc.Quotas(ctx, &berthv1.QuotasRequest{})
	})
	if err != nil {
		return nil, err
	}
	return resp.GetQuotas(), nil
}

// SetQuota changes what a tenant may use of a pool.
func (c *Client) SetQuota(ctx context.Context, req *berthv1.SetQuotaRequest) (*berthv1.Quota, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.SetQuotaResponse, error) {
		return rpc.SetQuota(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	return resp.GetQuota(), nil
}
