package client

import (
	"context"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Groups lists the groups that have not ended.
func (c *Client) Groups(ctx context.Context) ([]*berthv1.Group, error) { return c.groups(ctx, "") }

// Group is one of them, with why it waits.
func (c *Client) Group(ctx context.Context, id string) (*berthv1.Group, error) {
	all, err := c.groups(ctx, id)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (c *Client) groups(ctx context.Context, id string) ([]*berthv1.Group, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.GroupsResponse, error) {
		return rpc.Groups(ctx, &berthv1.GroupsRequest{Id: id})
	})
	if err != nil {
		return nil, err
	}
	return resp.GetGroups(), nil
}

// CancelGroup orders all of a group to end.
func (c *Client) CancelGroup(ctx context.Context, id, message string) (*berthv1.Group, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.CancelGroupResponse, error) {
		return rpc.CancelGroup(ctx, &berthv1.CancelGroupRequest{Id: id, Message: message})
	})
	if err != nil {
		return nil, err
	}
	return resp.GetGroup(), nil
}
