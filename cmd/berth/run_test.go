package main

import (
	"testing"

	"github.com/berthd/berth/api/mtls/mtlstest"
	"github.com/berthd/berth/worker/shim/shimtest"
)

// What ran has its own exit code, whoever could not read its output; that is said,
// even to who asked for silence.
func TestRun_OutputUnreadable(t *testing.T) {
	withLocal(t, func(*shell) {
		files := mtlstest.New(t) // which the daemon lacks
		t.Run("away", func(t *testing.T) {
			away := &shell{t: t}
			away.background("worker", "--name", "away", "--pool", "away", "--data-dir", t.TempDir(), "--cpu", "1", "--memory", "1GiB", "--no-cgroups",
				"--shim", shimtest.Path(), "--tls-cert", files.Cert, "--tls-key", files.Key, "--tls-ca", files.CA, "--log-level", "error")
			away.want(3, "berth: warning: the output of a could not be read to its end", "run", "--quiet", "--pool", "away", "--id", "a", "--", "sh", "-c", "echo tls; exit 3")
			away.want(exitFailed, "give the daemon --tls-cert", "logs", "a")
		})
	})
}
