package main

import (
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func TestShadowRow(t *testing.T) {
	weights := &berthv1.Weights{Scorers: map[string]int64{"load": 3}}
	for _, tt := range []struct {
		name string
		pool *berthv1.Pool
		want string
	}{
		{"none", &berthv1.Pool{}, "-|-|-|-|-|-|-"},
		{"nothing judged", &berthv1.Pool{Shadow: &berthv1.Shadow{Strategy: "binpack"}, ShadowCounts: &berthv1.ShadowCounts{Skipped: 3}}, "binpack|0 of 3|-|-|-|-|-"},
		{
			"judged", &berthv1.Pool{
				Shadow:       &berthv1.Shadow{Strategy: "spread", Weights: weights},
				ShadowCounts: &berthv1.ShadowCounts{Same: 3, Other: 1, Skipped: 1, LoadMilli: 2000, ShadowLoadMilli: 1001, LossMilli: 500, ShadowLossMilli: 4000},
			}, "spread load=3|4 of 5|25.0%|50.0%|25.0%|0.125|1.000",
		},
	} {
		if got := strings.Join(shadowRow(tt.pool), "|"); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.want)
		}
	}
}
