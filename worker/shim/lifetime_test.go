package shim

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// said is what a Lifetime has said, moment by moment, when looked at when it asks
// to be, and at each of the steps; nothing comes after its kill.
func said(l *Lifetime, steps map[time.Duration]func(now time.Duration), until time.Duration) []string {
	var out []string
	for now := time.Duration(1); now <= until; now++ {
		step := steps[now]
		if step != nil {
			step(now)
		}
		if due := l.Due(); step == nil && (due == 0 || due > now) {
			continue
		}
		ask, kill := l.Act(now)
		if ask {
			out = append(out, fmt.Sprintf("asked at %d", now))
		}
		if kill {
			return append(out, fmt.Sprintf("killed at %d", now))
		}
	}
	return out
}

func TestLifetime(t *testing.T) {
	type steps = map[time.Duration]func(time.Duration)
	for _, tt := range []struct {
		name    string
		keep    time.Duration
		steps   func(*Lifetime) steps
		want    []string
		overdue bool
	}{
		{"its deadline", 0, func(*Lifetime) steps { return nil }, []string{"asked at 20", "killed at 30"}, true},
		{"its deadline, kept", 100, func(*Lifetime) steps { return nil }, []string{"asked at 120", "killed at 130"}, true},
		{
			"renewed", 0,
			func(l *Lifetime) steps {
				return steps{
					10: func(time.Duration) { l.Renew(Deadline{Stop: 40, Kill: 50}) },
					11: func(time.Duration) { l.Renew(Deadline{Stop: 35, Kill: 45}) }, // never back
					12: func(time.Duration) { l.Renew(Deadline{}) },
				}
			},
			[]string{"asked at 40", "killed at 50"},
			true,
		},
		{
			"renewed after its deadline has asked it: its kill stands", 0,
			func(l *Lifetime) steps {
				return steps{25: func(time.Duration) { l.Renew(Deadline{Stop: 60, Kill: 70}) }}
			},
			[]string{"asked at 20", "killed at 30"},
			true,
		},
		{
			"ordered, with a grace beyond the lease, which is renewed", 0,
			func(l *Lifetime) steps {
				return steps{
					10: func(now time.Duration) { l.Stop(now, 90) },
					15: func(time.Duration) { l.Renew(Deadline{Stop: 55, Kill: 65}) },
					50: func(time.Duration) { l.Renew(Deadline{Stop: 90, Kill: 98}) },
					95: func(time.Duration) { l.Renew(Deadline{Stop: 190, Kill: 198}) }, // it was asked already, and not by its deadline
				}
			},
			[]string{"asked at 10", "killed at 100"},
			false,
		},
		{
			"ordered, with a grace beyond the lease, which is not renewed", 0,
			func(l *Lifetime) steps { return steps{10: func(now time.Duration) { l.Stop(now, 90) }} },
			[]string{"asked at 10", "killed at 30"},
			false,
		},
		{
			"ordered for the end of its lease, and renewed: the order's kill stands", 0,
			func(l *Lifetime) steps {
				return steps{
					15: func(now time.Duration) { l.Stop(now, 30-now) },
					18: func(time.Duration) { l.Renew(Deadline{Stop: 190, Kill: 200}) },
				}
			},
			[]string{"asked at 15", "killed at 30"},
			false,
		},
		{
			"ordered twice: the nearer counts", 0,
			func(l *Lifetime) steps {
				return steps{
					10: func(now time.Duration) { l.Stop(now, 15) },
					11: func(now time.Duration) { l.Stop(now, 5) },
					12: func(now time.Duration) { l.Stop(now, 90) },
				}
			},
			[]string{"asked at 10", "killed at 16"},
			false,
		},
		{
			"ordered late: it was the deadline all the same", 0,
			func(l *Lifetime) steps { return steps{20: func(now time.Duration) { l.Stop(now, -1) }} },
			[]string{"asked at 20", "killed at 20"},
			true,
		},
		{
			"killed", 0,
			func(l *Lifetime) steps { return steps{10: l.Kill} },
			[]string{"killed at 10"},
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLifetime(Deadline{Stop: 20, Kill: 30}, tt.keep)
			if got := said(&l, tt.steps(&l), 300); !slices.Equal(got, tt.want) || l.Overdue() != tt.overdue {
				t.Errorf("%q, overdue %t; want %q, %t", got, l.Overdue(), tt.want, tt.overdue)
			}
			at := l.Deadline()
			if l.Renew(Deadline{Stop: 1000, Kill: 1001}); l.Deadline() != at {
				t.Errorf("renewed when it was killed: %+v", l.Deadline())
			}
		})
	}
}

// Without a lease nothing is due.
// Once it is to be killed, nothing is due any more: who goes by it would look at once,
// again and again, until it is dead.
func TestLifetime_Killed(t *testing.T) {
	l := NewLifetime(Deadline{Stop: 20, Kill: 30}, 0)
	l.Stop(5, 10)
	if l.Act(15); l.Due() != 0 {
		t.Errorf("due at %d after its kill", l.Due())
	}
}

func TestLifetime_NoDeadline(t *testing.T) {
	l := NewLifetime(Deadline{}, 100)
	if ask, kill := l.Act(time.Hour); ask || kill || l.Due() != 0 {
		t.Errorf("asked %t, killed %t, due at %d", ask, kill, l.Due())
	}
}
