package client

import (
	"context"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Groups lists the groups that have not ended, by id.
func (c *Client) Groups(ctx context.Context) (all []*berthv1.Group, err error) {
	for token := ""; ; {
		resp, err := c.groups(ctx, &berthv1.GroupsRequest{PageToken: token})
		if err != nil {
			return nil, err
		}
		all = append(all, resp.GetGroups()...)
		if token = resp.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

// Group is one of them, with why it waits.
func (c *Client) Group(ctx context.Context, id string) (*berthv1.Group, error) {
	resp, err := c.groups(ctx, &berthv1.GroupsRequest{Id: id})
	if err != nil {
		return nil, err
	}
	return resp.GetGroups()[0], nil
}

func (c *Client) groups(ctx context.Context, req *berthv1.GroupsRequest) (*berthv1.GroupsResponse, error) {
	return again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.GroupsResponse, error) {
		return rpc.Groups(ctx, req)
	})
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
