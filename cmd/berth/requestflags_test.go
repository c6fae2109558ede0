package main

import (
	"testing"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// What a request runs is as its flags say.
func TestRequestOf_WhatItRuns(t *testing.T) {
	var got *berthv1.Request
	app := &cli.App{Commands: []*cli.Command{{
		Name: "submit", Flags: requestFlags(), Action: func(c *cli.Context) (err error) {
			got, err = requestOf(c)
			return err
		},
	}}}
	if err := app.Run([]string{"berth", "submit", "--image", "train:3", "--dir", "/srv", "--user", "train", "--", "x", "y"}); err != nil {
		t.Fatal(err)
	}
	if got.GetImage() != "train:3" || got.GetDir() != "/srv" || got.GetUser() != "train" || len(got.GetCommand()) != 2 {
		t.Errorf("read as %v", got)
	}
}
