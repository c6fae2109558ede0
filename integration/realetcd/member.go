package realetcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/berthd/berth/api/mtls"
)

// member is one process of etcd, over data that outlives it.
type member struct {
	name, dir, log string
	client, peer   string // URLs
	flags          []string
	cmd            *exec.Cmd     // the last one started
	ended          chan struct{} // closed at its end; nil: never started
	err            error         // of its end; written before ended is closed
}

func (m *member) runs() bool {
	if m.ended == nil {
		return false
	}
	select {
	case <-m.ended:
		return false
	default:
		return true
	}
}

// Start starts a member that does not run, over the data that it left; flags
// win over those of the cluster for this life.
func (c *Cluster) Start(i int, flags ...string) {
	c.tb.Helper()
	m := c.members[i]
	if m.runs() {
		c.tb.Fatalf("member %d runs already", i)
	}
	file, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.tb.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), Binary(c.tb), append(m.flags[:len(m.flags):len(m.flags)], flags...)...)
	cmd.Stdout, cmd.Stderr = file, file
	if err := c.opts.Start(i, cmd); err != nil {
		c.tb.Fatalf("start member %d: %v", i, err)
	}
	ended := make(chan struct{})
	m.cmd, m.ended = cmd, ended
	go func() {
		m.err = cmd.Wait()
		_ = file.Close() // the process had its own
		close(ended)
	}()
}

// Kill is SIGKILL, and the end. The data stays.
func (c *Cluster) Kill(i int) {
	if m := c.members[i]; m.runs() {
		_ = m.cmd.Process.Kill() // it may have ended
		<-m.ended
	}
}

// Stop is SIGSTOP: it holds its connections, and answers nothing.
func (c *Cluster) Stop(i int) { c.signal(i, syscall.SIGSTOP) }

// Continue is SIGCONT.
func (c *Cluster) Continue(i int) { c.signal(i, syscall.SIGCONT) }

func (c *Cluster) signal(i int, s syscall.Signal) {
	c.tb.Helper()
	if err := c.members[i].cmd.Process.Signal(s); err != nil {
		c.tb.Errorf("member %d: %v: %v", i, s, err)
	}
}

// Runs says whether a member's process lives; one that is stopped does.
func (c *Cluster) Runs(i int) bool { return c.members[i].runs() }

// Ended is closed when a member's present process ends.
func (c *Cluster) Ended(i int) <-chan struct{} { return c.members[i].ended }

// Dir is a member's data directory.
func (c *Cluster) Dir(i int) string { return c.members[i].dir }

// Log is the end of what a member said.
func (c *Cluster) Log(i int) string {
	text, err := os.ReadFile(c.members[i].log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(text), "\n")
	lines = lines[max(0, len(lines)-30):]
	for i, line := range lines { // etcd quotes whole transactions
		lines[i] = line[:min(len(line), 300)]
	}
	return strings.Join(lines, "\n")
}

func (c *Cluster) end() {
	for i := range c.members {
		c.Kill(i)
		if c.tb.Failed() {
			c.tb.Logf("the end of member %d's log:\n%s", i, c.Log(i))
		}
	}
}

func clientTLS(files mtls.Files) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pem, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", files.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, RootCAs: roots}, nil
}
