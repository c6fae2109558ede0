// Package profile serves Go's profiles of the process that it runs in, for who
// asks what a daemon's time and memory go to.
//
// It must be served on the unix socket alone, whose file says who may ask: a profile
// shows what the daemon does, and taking one costs it a little. What is taken over a
// time is taken one at a time, for a minute at most, and ends when who asked is gone.
// It keeps no state between calls, and knows nothing of scheduling.
package profile

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berthd/berth"
)

// Path is below which Handler answers: each kind has a name there. Names and
// parameters are those of net/http/pprof, so that what knows those knows these.
const Path = "/debug/pprof/"

// Of what is taken over a time.
const (
	DefaultTime = 10 * time.Second
	MaxTime     = time.Minute
)

// Kind of a profile.
type Kind struct {
	Name  string // as people say it
	Path  string // below Path, as net/http/pprof says it
	Timed bool   // it is of a time that begins with the call; others are of a moment
	Tells string
}

// Kinds are all there are.
var Kinds = []Kind{
	{"cpu", "profile", true, "where CPU time goes"},
	{"heap", "heap", false, "what memory is in use"},
	{"allocs", "allocs", false, "what was allocated since the start"},
	{"goroutine", "goroutine", false, "where goroutines stand"},
	{"mutex", "mutex", true, "who holds locks that others wait for"},
	{"block", "block", true, "what goroutines wait for"},
	{"trace", "trace", true, "every event of the scheduler and the collector"},
}

// Find is the kind of a name.
func Find(name string) (Kind, error) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, &berth.FieldError{Field: "profile", Value: name, Problem: "is unknown", Bound: strings.Join(Names(), ", ")}
	}
	return Kinds[i], nil
}

// Names of all kinds.
func Names() []string {
	var out []string
	for _, k := range Kinds {
		out = append(out, k.Name)
	}
	return out
}

// CheckTime says whether a profile may be of so long a time.
func CheckTime(d time.Duration) error {
	if d < time.Second || d > MaxTime || d%time.Second != 0 {
		return &berth.FieldError{Field: "seconds", Value: fmt.Sprint(d.Seconds()), Problem: "is not allowed", Bound: fmt.Sprintf("whole ones, 1 to %d", int(MaxTime.Seconds()))}
	}
	return nil
}

// Sampling of what costs too much to be on always: it is on while such a profile is taken.
const (
	mutexFraction = 10     // one in so many contended unlocks
	blockNanos    = 10_000 // one in so many nanoseconds of waiting
)

// Handler serves the kinds below Path. The sampling rates are the process's: have one.
func Handler() http.Handler {
	taken := new(sync.Mutex) // held while a timed one is taken
	mux := http.NewServeMux()
	for _, k := range Kinds {
		mux.Handle("GET "+Path+k.Path, k.serve(taken))
	}
	return mux
}

func (k Kind) serve(taken *sync.Mutex) http.HandlerFunc {
	take := pprof.Handler(k.Path).ServeHTTP
	switch k.Name {
	case "cpu":
		take = pprof.Profile
	case "trace":
		take = pprof.Trace
	}
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Has("seconds") && !k.Timed {
			http.Error(w, k.Path+" is of a moment; seconds is of those that take a time", http.StatusBadRequest)
			return
		}
		if k.Timed {
			if !q.Has("seconds") {
				q.Set("seconds", strconv.Itoa(int(DefaultTime.Seconds())))
			}
			n, err := strconv.Atoi(q.Get("seconds"))
			if err == nil {
				err = CheckTime(time.Duration(min(max(n, 0), 1000)) * time.Second)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if !taken.TryLock() {
				http.Error(w, "a profile is being taken; one at a time", http.StatusConflict)
				return
			}
			defer taken.Unlock()
			r = r.Clone(r.Context())
			r.URL.RawQuery = q.Encode()
		}
		defer k.sample()()
		take(w, r)
	}
}

// sample turns on what is off otherwise; the function it returns turns it off.
func (k Kind) sample() func() {
	switch k.Name {
	case "mutex":
		was := runtime.SetMutexProfileFraction(mutexFraction)
		return func() { runtime.SetMutexProfileFraction(was) }
	case "block":
		runtime.SetBlockProfileRate(blockNanos)
		return func() { runtime.SetBlockProfileRate(0) }
	}
	return func() {}
}
