package robustness

import (
	"reflect"
	"strconv"
	"testing"
	"time"
)

// Each seed has its least of everything, and is drawn the same each time.
func TestDraw(t *testing.T) {
	for seed := range uint64(40) {
		p := Draw(seed)
		if len(p.Daemons) < 2 || len(p.Workers) < 5 || len(p.Jobs) < 300 || len(p.Faults) < 10 || p.FaultsUntil < 10*time.Minute {
			t.Errorf("seed %d: %d daemons, %d workers, %d requests, %d faults, %s", seed, len(p.Daemons), len(p.Workers), len(p.Jobs), len(p.Faults), p.FaultsUntil)
		}
		for _, j := range p.Jobs {
			if err := j.Request.Normalize().Validate(); err != nil {
				t.Errorf("seed %d: request %s: %v", seed, j.Request.ID, err)
			}
			run, _ := strconv.ParseFloat(j.Request.Env[envRun], 64)
			if own := time.Duration(run*float64(j.Request.Retry.MaxAttempts)) * time.Millisecond; own > settleWithin/3 {
				t.Errorf("seed %d: request %s may run for %s, and is to be over within %s", seed, j.Request.ID, own, settleWithin)
			}
		}
		if !reflect.DeepEqual(p, Draw(seed)) {
			t.Errorf("seed %d is drawn in two ways", seed)
		}
	}
}

func TestShorten(t *testing.T) {
	p := &Plan{}
	for i := range 20 {
		p.Faults = append(p.Faults, Fault{Kind: FaultCrash, At: time.Duration(i)})
	}
	short := shorten(p, func(q *Plan) bool {
		found := 0
		for _, f := range q.Faults {
			if f.At == 3 || f.At == 17 {
				found++
			}
		}
		return found == 2
	})
	if len(short.Faults) != 2 || len(p.Faults) != 20 {
		t.Errorf("left: %v, of %d", short.Faults, len(p.Faults))
	}
}
