package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxRefusalBytes bounds what is read of a daemon's refusal.
const maxRefusalBytes = 4096

// Profile writes what the daemon answers at path, below /debug/pprof/, which it serves
// on its unix socket only. Of several daemons it is the first one with a socket: a
// profile is of one process, and no other can stand in for it.
func (c *Client) Profile(ctx context.Context, path string, to io.Writer) error {
	for i := range c.daemons {
		if d := &c.daemons[i]; d.socket() {
			return d.profile(ctx, path, to)
		}
	}
	return fmt.Errorf("a daemon serves profiles on its unix socket only, and %s is none: start one with berth daemon --socket PATH, and ask it with --address unix://PATH", c.address)
}

// socket says whether the daemon is reached over a unix socket.
func (d *endpoint) socket() bool {
	return strings.HasPrefix(d.address, "unix://") || strings.HasPrefix(d.address, "/")
}

func (d *endpoint) profile(ctx context.Context, path string, to io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://berth"+path, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: d.http}).Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &UnreachableError{Address: d.address, Err: err}
	}
	defer func() { _ = resp.Body.Close() }() // read only
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusalBytes)) // the status says enough
		return fmt.Errorf("daemon at %s: %s: %s", d.address, resp.Status, strings.TrimSpace(string(said)))
	}
	if _, err := io.Copy(to, resp.Body); err != nil {
		return fmt.Errorf("read from daemon at %s: %w", d.address, err)
	}
	return nil
}
