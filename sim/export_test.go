package sim

import "context"

// AtOnce runs the trace with Berth's policy, and says how many jobs of each name, or group, had
// their places in the first moment.
func (t *Trace) AtOnce(ctx context.Context) (map[string]int, error) {
	r, err := t.replay(ctx, PolicyBerth, 1, nil)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int)
	for j := range r.fates {
		if f := &r.fates[j]; f.placed && f.waited == 0 {
			name := r.jobs[j].Name
			if g := r.jobs[j].Group; g != nil {
				name = g.Name
			}
			out[name]++
		}
	}
	return out, nil
}
