package chaos_test

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// releaseBrake releases the brake of the only pool if it is engaged.
func (s *site) releaseBrake() bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	resp, err := s.store.Get(ctx, prefix+"brakes/"+string(berth.DefaultPool))
	if err != nil || len(resp.Kvs) == 0 || !bytes.Contains(resp.Kvs[0].Value, []byte(`"`+berth.BrakeEngaged+`"`)) {
		return false
	}
	_, err = s.client(0).SetBrake(ctx, &berthv1.SetBrakeRequest{Pool: string(berth.DefaultPool), Action: "release", Message: "chaos is over"})
	return err == nil
}

// brakes counts what the daemons have told of brakes that they engaged, and released.
func (s *site) brakes() (engaged, released int) {
	for _, k := range s.daemons {
		b, err := os.ReadFile(k.log)
		if err != nil {
			s.t.Error(err)
		}
		engaged += bytes.Count(b, []byte("brake engaged:"))
		released += bytes.Count(b, []byte("brake released:"))
	}
	return engaged, released
}
