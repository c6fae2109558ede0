package worker

import (
	"testing"
	"time"
)

func TestAlarm(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	at := boottime() + time.Hour
	a.set(at)
	at = boottime() + 20*time.Millisecond // in place of the hour
	a.set(at)
	<-a.C
	if now := boottime(); now < at {
		t.Errorf("fired %v early", at-now)
	}
	a.set(0) // long ago: at once
	<-a.C
	a.close()
	a.set(boottime()) // after close: nothing
	if _, open := <-a.C; open {
		t.Error("fired after close")
	}
}
