package worker

import (
	"testing"
	"time"
)

func TestAlarm(t *testing.T) {
	clock := bootClock{}
	a, err := clock.NewAlarm()
	if err != nil {
		t.Fatal(err)
	}
	at := clock.Now() + time.Hour
	a.Set(at)
	at = clock.Now() + 20*time.Millisecond // in place of the hour
	a.Set(at)
	<-a.C()
	if now := clock.Now(); now < at {
		t.Errorf("fired %v early", at-now)
	}
	a.Set(0) // long ago: at once
	<-a.C()
	a.Close()
	a.Close()          // again: nothing
	a.Set(clock.Now()) // after close: nothing
	if _, open := <-a.C(); open {
		t.Error("fired after close")
	}
}
