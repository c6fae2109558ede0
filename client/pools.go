package client

import (
	"context"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// BrakeEngaged is the state of a brake that holds.
const BrakeEngaged = string(berth.BrakeEngaged)

// Pools are all pools, by id.
func (c *Client) Pools(ctx context.Context) ([]*berthv1.Pool, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.PoolsResponse, error) {
		return rpc.Pools(ctx, &berthv1.PoolsRequest{})
	})
	if err != nil {
		return nil, err
	}
	return resp.GetPools(), nil
}

// SetPool sets how a pool chooses among the workers that fit, and when it brakes.
// What is empty or zero stays as it is.
func (c *Client) SetPool(ctx context.Context, p *berthv1.Pool) error {
	_, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.SetPoolResponse, error) {
		return rpc.SetPool(ctx, &berthv1.SetPoolRequest{Pool: p})
	})
	return err
}

// SetBrake is an operator's word on the loss of many workers of a pool.
func (c *Client) SetBrake(ctx context.Context, req *berthv1.SetBrakeRequest) (*berthv1.Brake, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.SetBrakeResponse, error) {
		return rpc.SetBrake(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	return resp.GetBrake(), nil
}

// Overview counts all that there is.
func (c *Client) Overview(ctx context.Context) (*berthv1.OverviewResponse, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.OverviewResponse, error) {
		return rpc.Overview(ctx, &berthv1.OverviewRequest{})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
