package bench

import (
	"context"
	"fmt"

	"github.com/berthd/berth"
)

// learnAll has one request of each shape placed, alone in the store, and learns its
// transactions. over waits until a request's life is over; nil: it is once placed.
func (s *site) learnAll(ctx context.Context, shapes []berth.Demand, over func(context.Context, berth.RequestID) error) ([]template, error) {
	var out []template
	submit := s.submitters(ViaProcess)[0]
	for i := range shapes {
		one := requests{shapes: shapes, kind: 's', drawn: make([]uint16, i+1)}
		one.drawn[i] = uint16(i)
		r := one.at(i)
		s.etcd.sums.startTap()
		w, err := submit(ctx, []berth.Request{r})
		if err == nil && w[0] == "" {
			w[0], err = Placed(ctx, s.daemons[0], r.ID)
		}
		if err == nil && over != nil {
			err = over(ctx, r.ID)
		}
		seen := s.etcd.sums.stopTap()
		if err != nil {
			return nil, fmt.Errorf("place a sample: %w", err)
		}
		t, err := learn(seen, s.etcd.prefix, string(r.ID), string(w[0]))
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && len(t.steps) != len(out[0].steps) {
			t = out[0] // reports may have been gathered otherwise; batches have one number of steps
		}
		out = append(out, t)
	}
	return out, nil
}
