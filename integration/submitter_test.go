package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// submitterConfig of the process that submits, and keeps the record of what was
// acknowledged: nothing that is killed knows of it.
type submitterConfig struct {
	Socket string
	Record string // file: a JSON line for each acknowledged request
	Locks  string // folder: two containers of one request would meet in it
	Open   int64  // requests that are kept in flight
	Total  int
	Seed   uint64
}

// acknowledged is a line of the record.
type acknowledged struct {
	ID     string `json:"id"`
	Code   int64  `json:"code"`             // that its command exits with
	Cancel bool   `json:"cancel,omitempty"` // a cancel was acknowledged, too
}

const submitterBatch = 50

func (c *submitterConfig) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cl, err := client.New(client.Options{Address: c.Socket, RetryFor: -1})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(c.Record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	random := rand.New(rand.NewPCG(c.Seed, 0))
	for n := 0; n < c.Total && ctx.Err() == nil; n += submitterBatch {
		if !c.room(ctx, cl) {
			break
		}
		batch, lines := c.batch(n, random)
		if err := c.insist(ctx, func(ctx context.Context) error { return submitBatch(ctx, cl, batch) }); err != nil {
			return err
		}
		for i := range lines {
			if random.IntN(25) == 0 {
				err := c.insist(ctx, func(ctx context.Context) error {
					_, err := cl.Cancel(ctx, lines[i].ID, "by the test")
					return err
				})
				if err != nil {
					return err
				}
				lines[i].Cancel = true
			}
			b, err := json.Marshal(lines[i])
			if err != nil {
				return err
			}
			if _, err := out.Write(append(b, '\n')); err != nil {
				return err
			}
		}
		if err := errors.Join(out.Flush(), file.Sync()); err != nil {
			return err
		}
	}
	return file.Close()
}

// room waits until fewer than Open requests are in flight.
func (c *submitterConfig) room(ctx context.Context, cl *client.Client) bool {
	for {
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		in, err := cl.Info(bounded)
		cancel()
		if err == nil && in.GetRequests() < c.Open {
			return true
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
}

// insist repeats a call that had no answer, as every client should: the very
// same, until it has one.
func (c *submitterConfig) insist(ctx context.Context, call func(context.Context) error) error {
	for {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		err := call(bounded)
		cancel()
		var refused *refusedError
		if err == nil || errors.As(err, &refused) {
			return err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// refusedError is an answer that must not be: it ends the process.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

func submitBatch(ctx context.Context, cl *client.Client, batch []*berthv1.Request) error {
	results, err := cl.Submit(ctx, batch)
	if err != nil {
		return err
	}
	for _, r := range results {
		if f := r.GetRefusal(); f != nil {
			if f.GetCode() == client.CodeUnavailable || strings.Contains(f.GetMessage(), "unknown") {
				return errors.New(f.GetMessage())
			}
			return &refusedError{fmt.Sprintf("%s refused: %s: %s", r.GetId(), f.GetCode(), f.GetMessage())}
		}
	}
	return nil
}

// batch is requests for both kinds of workers, some of which fail on purpose.
func (c *submitterConfig) batch(from int, random *rand.Rand) ([]*berthv1.Request, []acknowledged) {
	var out []*berthv1.Request
	var lines []acknowledged
	for i := from; i < from+submitterBatch; i++ {
		a := acknowledged{ID: fmt.Sprintf("r%06d", i)}
		if random.IntN(10) == 0 {
			a.Code = 3
		}
		ms := 100 + random.IntN(500)
		r := &berthv1.Request{
			Id: a.ID, Resources: &berthv1.Demand{CpuMilli: 100, MemoryBytes: 16 << 20}, StopTimeoutMs: 1000,
			Retry: &berthv1.RetryPolicy{MaxAttempts: 100},
		}
		if i%5 == 0 {
			r.Pool = "real"
			// A second container of this request finds the lock held, and exits with 99.
			script := fmt.Sprintf("sleep %d.%03d; exit %d", ms/1000, ms%1000, a.Code)
			r.Command = []string{"flock", "-n", "-E", "99", c.Locks + "/" + a.ID, "sh", "-c", script}
		} else {
			r.Pool, r.Command = "hollow", []string{"true"}
			r.Env = map[string]string{"HOLLOW_RUN_MS": fmt.Sprint(ms), "HOLLOW_EXIT_CODE": fmt.Sprint(a.Code)}
		}
		out, lines = append(out, r), append(lines, a)
	}
	return out, lines
}
