package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// asksMost bounds the questions about requests that were submitted and wait, each of which has
// the daemon look at all workers of a pool; and warnWithin the time for them: they are in already.
const (
	asksMost   = 4
	warnWithin = 5 * time.Second
)

// submitWarnings tells of requests that have just been submitted what whoever submitted them may not have meant.
func submitWarnings(ctx context.Context, cl *client.Client, results []*berthv1.SubmitResult) []string {
	return append(retryWarnings(results), waitWarnings(ctx, cl, results)...)
}

// retryWarnings tells of requests that are EXPIRED, should an attempt fail, before the next may begin.
func retryWarnings(results []*berthv1.SubmitResult) []string {
	var in []*berthv1.Request
	for _, r := range results {
		s := r.GetStatus().GetSpec()
		if limit := s.GetPendingLimitMs(); r.GetRefusal() == nil && limit > 0 && s.GetRetry().GetMaxAttempts() > 1 && s.GetRetry().GetBackoffMs() >= limit {
			in = append(in, s)
		}
	}
	if len(in) == 0 {
		return nil
	}
	more, ms := "", func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	if len(in) > 1 {
		more = fmt.Sprintf(", and likewise of %d more", len(in)-1)
	}
	return []string{fmt.Sprintf("should the first attempt of %s fail, no second one begins: its pending limit of %v is over before its retry backoff of %v%s",
		in[0].GetId(), ms(in[0].GetPendingLimitMs()), ms(in[0].GetRetry().GetBackoffMs()), more)}
}

// waitWarnings tells of requests that have just been submitted and would wait for ever, for
// a name in them means nothing: a pool that has no workers and no settings, a label that no
// worker has, or a type of devices. What cannot be
// asked is not told: berth explain tells it later.
func waitWarnings(ctx context.Context, cl *client.Client, results []*berthv1.SubmitResult) []string {
	waiting := slices.DeleteFunc(slices.Clone(results), func(r *berthv1.SubmitResult) bool {
		return r.GetRefusal() != nil || r.GetStatus().GetState() != string(berth.StatePending)
	})
	if len(waiting) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, warnWithin)
	defer cancel()
	unknown, err := unknownPools(ctx, cl, waiting)
	if err != nil {
		return nil
	}
	var out []string
	for _, pool := range sortedKeys(unknown) {
		out = append(out, unknown[pool])
	}
	names := namesAsked{cl: cl, asked: map[string]bool{}}
	for _, r := range waiting {
		if unknown[r.GetStatus().GetSpec().GetPool()] == "" {
			out = append(out, names.unknown(ctx, r)...)
		}
	}
	return out
}

// unknownPools is what to say of the pools of requests that nobody has said anything of.
func unknownPools(ctx context.Context, cl *client.Client, waiting []*berthv1.SubmitResult) (map[string]string, error) {
	all, err := cl.Pools(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, r := range waiting {
		pool := r.GetStatus().GetSpec().GetPool()
		if text := unknownPool(all, pool); text != "" {
			out[pool] = text
		}
	}
	return out, nil
}

// poolsNamed is how many pools a warning names.
const poolsNamed = 10

// unknownPool says of a pool that is not among all, those with workers or settings, which
// there are; or "".
func unknownPool(all []*berthv1.Pool, pool string) string {
	var names []string
	for _, p := range all {
		if p.GetId() == pool {
			return ""
		}
		names = append(names, p.GetId())
	}
	switch n := len(names); {
	case n == 0:
		return fmt.Sprintf("pool %s has no workers, and no pool has any yet", pool)
	case n > poolsNamed:
		names = append(names[:poolsNamed:poolsNamed], fmt.Sprintf("and %d more (berth pools)", n-poolsNamed))
	}
	return fmt.Sprintf("pool %s has no workers and is not known; pools: %s", pool, strings.Join(names, ", "))
}
