package chaos_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// accepted is a line of the client's record: a request that was acknowledged.
type accepted struct {
	ID     string `json:"id"`
	Code   int64  `json:"code"`             // that its command exits with
	Cancel bool   `json:"cancel,omitempty"` // a cancel was acknowledged, too
}

// load is a client's: lanes that submit at a steady rate, each to whichever
// daemon answers, and write down durably what was acknowledged.
type load struct {
	*site
	seed    uint64
	clients []*client.Client
	taken   atomic.Int64
	refused atomic.Int64 // answers that said: later
	failed  atomic.Int64 // calls without an answer
	mu      sync.Mutex
	slowest time.Duration // from the first try to the acknowledgement
	tries   []try         // of the slowest
}

// try is one call that came to nothing.
type try struct {
	At     float64 `json:"at_seconds"` // since the first
	Took   float64 `json:"took_seconds"`
	Daemon int     `json:"daemon"`
	Error  string  `json:"error"`
}

const (
	lanes     = 8
	mostAt    = 100 // requests in one call
	callBound = 4 * time.Second
)

func newLoad(s *site, seed uint64) *load {
	l := &load{site: s, seed: seed}
	for i := range daemons {
		l.clients = append(l.clients, s.client(i))
	}
	return l
}

func (l *load) recordPath(lane int) string {
	return filepath.Join(l.dir, "record-"+strconv.Itoa(lane))
}

// run submits until enough ends; what was begun is acknowledged then.
func (l *load) run(ctx context.Context, enough <-chan struct{}) error {
	var group sync.WaitGroup
	errs := make([]error, lanes+1)
	for lane := range lanes {
		group.Go(func() { errs[lane] = l.lane(ctx, enough, lane) })
	}
	group.Go(func() { errs[lanes] = l.groupLane(ctx, enough) })
	group.Wait()
	return errors.Join(errs...)
}

func (l *load) lane(ctx context.Context, enough <-chan struct{}, lane int) error {
	file, err := os.OpenFile(l.recordPath(lane), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // each line was synced
	random := rand.New(rand.NewPCG(l.seed, uint64(2+lane)))
	for begin, n := time.Now(), 0; ; {
		due := int(time.Since(begin).Seconds()*l.opts.rate/lanes) - n
		select {
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if due < 1 {
			<-time.After(50 * time.Millisecond)
			continue
		}
		batch, lines := l.batch(random, lane, n, min(due, mostAt))
		n += len(batch)
		if err := l.submit(ctx, random, batch); err != nil {
			return err
		}
		if err := l.cancelSome(ctx, random, lines); err != nil {
			return err
		}
		if err := keep(file, lines); err != nil {
			return err
		}
		l.taken.Add(int64(len(lines)))
	}
}

// batch makes requests: most are short, a tenth are longer than it takes to give
// up a lost worker.
func (l *load) batch(random *rand.Rand, lane, from, n int) ([]*berthv1.Request, []accepted) {
	var out []*berthv1.Request
	var lines []accepted
	for i := range n {
		a := accepted{ID: fmt.Sprintf("l%d-%06d", lane, from+i)}
		if random.IntN(10) == 0 {
			a.Code = 3
		}
		d := time.Duration(20+random.IntN(400)) * time.Millisecond
		if random.IntN(10) == 0 {
			d = l.opts.long + time.Duration(random.IntN(6000))*time.Millisecond
		}
		mode := []string{"plain", "plain", "plain", "deaf", "child"}[random.IntN(5)]
		out = append(out, &berthv1.Request{
			Id: a.ID, StopTimeoutMs: 500, Retry: &berthv1.RetryPolicy{MaxAttempts: 100},
			Resources: &berthv1.Demand{CpuMilli: 100, MemoryBytes: 16 << 20},
			Command: []string{
				l.payload, filepath.Join(l.dir, "trace"), filepath.Join(l.dir, "locks"),
				strconv.FormatInt(d.Milliseconds(), 10), strconv.FormatInt(a.Code, 10), mode,
			},
		})
		lines = append(lines, a)
	}
	return out, lines
}

func keep(file *os.File, lines []accepted) error {
	out := bufio.NewWriter(file)
	for _, a := range lines {
		b, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return errors.Join(out.Flush(), file.Sync())
}

func (l *load) submit(ctx context.Context, random *rand.Rand, batch []*berthv1.Request) error {
	begin := time.Now()
	tries, err := l.insist(ctx, random, func(ctx context.Context, c *client.Client) error {
		results, err := c.Submit(ctx, batch)
		if err != nil {
			return err
		}
		for _, r := range results {
			if f := r.GetRefusal(); f != nil {
				return &refusal{code: f.GetCode(), text: r.GetId() + " refused: " + f.GetMessage()}
			}
		}
		return nil
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if took := time.Since(begin); took > l.slowest {
		l.slowest, l.tries = took, tries
	}
	return err
}

// cancelSome cancels one of thirty, at once: a call may wait for a daemon that is
// stopped.
func (l *load) cancelSome(ctx context.Context, random *rand.Rand, lines []accepted) error {
	var group errgroup.Group
	for i := range lines {
		if random.IntN(30) != 0 {
			continue
		}
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		group.Go(func() error {
			lines[i].Cancel = true
			_, err := l.insist(ctx, own, func(ctx context.Context, c *client.Client) error {
				_, err := c.Cancel(ctx, lines[i].ID, "by the test")
				return err
			})
			return err
		})
	}
	return group.Wait()
}

// refusal is a daemon's answer for one request.
type refusal struct{ code, text string }

func (e *refusal) Error() string { return e.code + ": " + e.text }

// insist makes the very same call again, of any daemon, until it is answered. An
// answer that does not say "later" must not be. It returns what came to nothing.
func (l *load) insist(ctx context.Context, random *rand.Rand, call func(context.Context, *client.Client) error) ([]try, error) {
	var tries []try
	for first := time.Now(); ; {
		begin, of := time.Now(), random.IntN(len(l.clients))
		bounded, cancel := context.WithTimeout(ctx, callBound)
		err := call(bounded, l.clients[of])
		cancel()
		if err == nil {
			return tries, nil
		}
		tries = append(tries, try{begin.Sub(first).Seconds(), time.Since(begin).Seconds(), of, err.Error()})
		switch code := codeOf(err); code {
		case client.CodeResourceExhausted, client.CodeUnavailable:
			l.refused.Add(1)
		case client.CodeInvalidArgument, client.CodeAlreadyExists, client.CodeNotFound, client.CodeUnimplemented, client.CodeFailedPrecondition, "internal", "data_loss":
			return tries, fmt.Errorf("an answer that must not be: %s: %w", code, err)
		default:
			l.failed.Add(1)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return tries, ctx.Err()
		}
	}
}

func codeOf(err error) string {
	var refused *refusal
	var called *client.CallError
	switch {
	case errors.As(err, &refused):
		return refused.code
	case errors.As(err, &called):
		return called.Code
	}
	return ""
}

// record is all that was acknowledged.
func (l *load) record() ([]accepted, error) {
	var out []accepted
	for lane := range lanes {
		file, err := os.Open(l.recordPath(lane))
		if err != nil {
			return nil, err
		}
		for in := json.NewDecoder(file); in.More(); {
			var a accepted
			if err := in.Decode(&a); err != nil {
				return nil, errors.Join(err, file.Close())
			}
			out = append(out, a)
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
