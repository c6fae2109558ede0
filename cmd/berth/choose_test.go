package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What is named and not there is an error, not an empty list.
func TestSelect_NotThere(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitFailed, "request nope: not found; berth list --all shows what has ended, too", "list", "nope")
		s.want(exitFailed, "request nope: not found", "list", "-o", "json", "nope")
		s.want(exitFailed, "worker nope: not found", "list", "--worker", "nope")
		s.want(exitFailed, "request nope: not found", "watch", "nope")
		s.want(exitFailed, "worker nope: not found", "watch", "--worker", "nope")
		s.want(0, "ID", "list", "--worker", "w-1")
		s.want(exitUsage, `--state "NOPE" is unknown; allowed: PENDING, BLOCKED`, "list", "--state", "nope")
		s.want(exitFailed, "no worker in pool nopool", "drain", "--in-pool", "nopool")

		s.want(0, "", "submit", "--id", "big", "--cpu", "100", "--", "true")
		s.want(0, "big  BLOCKED", "list", "--state", "blocked")
		s.want(0, "1 request waiting, 1 of them BLOCKED: berth list --state blocked", "status")
		s.want(0, "big CANCELLED", "cancel", "big")
		if r := s.want(0, "CANCELLED", "get", "big"); strings.Contains(r.out, "attempt") {
			t.Errorf("an attempt of what was never placed:\n%s", r.out)
		}
		if r := s.do("explain", "big"); !strings.Contains(r.out, "big is CANCELLED: cancelled\nended ") || strings.Contains(r.out, "attempt") {
			t.Errorf("explained as %q", r.out)
		}
	})
}

// Who cancels a service that was replaced means the one that goes on.
func TestCancel_Replaced(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(0, "", "submit", "--id", "web.r2", "--", "sleep", "600")
		spec := berth.Request{ID: "web", Command: []string{"sleep", "600"}}.Normalize()
		was, err := json.Marshal(&berth.Archive{
			Header: berth.Header{Version: 1, Txn: "t"}, Spec: spec, State: berth.StateCancelled, Reason: berth.EndReplaced, ReplacedBy: "web.r2", SubmittedAt: time.Now(), EndedAt: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.local.node.client.Put(t.Context(), "/berth/archive/web", string(was)); err != nil {
			t.Fatal(err)
		}
		s.want(0, "REPLACED", "get", "web")
		r := s.want(0, "web goes on as web.r2", "cancel", "--wait", "web")
		if r.out != "web.r2 CANCELLED\n" {
			t.Errorf("cancelled %q", r.out)
		}
	})
}

// A wait tells why it lasts, and Ctrl-C ends it like any other program.
func TestSubmit_WaitSaysWhy(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitFailed, "berth: short: no worker that is registered could ever take it", "submit", "--wait", "--id", "short", "--cpu", "100", "--pending-limit", "3s", "--", "true")
		s.want(exitNotRun, "berth: alone: no worker that is registered could ever take it", "run", "--id", "alone", "--cpu", "100", "--pending-limit", "3s", "--", "true")

		cmd := exec.Command(os.Args[0], "submit", "--wait", "--id", "big", "--cpu", "100", "--", "true")
		cmd.Env = append(os.Environ(), asVerb+"=1")
		says, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(says)
		why, err := lines.ReadString('\n')
		if !strings.HasPrefix(why, "berth: big: no worker") {
			t.Errorf("said %q, %v", why, err)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		rest, err := io.ReadAll(lines)
		if err != nil {
			t.Error(err)
		}
		err = cmd.Wait()
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok || e.ExitCode() != exitInterrupted || !strings.HasPrefix(string(rest), "berth: not waited for 1 request: what was submitted goes on") {
			t.Errorf("after Ctrl-C: %v, %q", err, rest)
		}
	})
}

// A flag on the command line beats a variable that contradicts it.
func TestFlags_BeatVariables(t *testing.T) {
	s := &shell{t: t}
	t.Setenv("BERTH_ETCD_ENDPOINTS", "http://127.0.0.1:1")
	s.want(exitFailed, "the variable BERTH_ETCD_ENDPOINTS, which contradicts it, is not used", "restore", "--data-dir", t.TempDir(), "/no/such/file")
	r := s.want(exitFailed, "--data-dir is given: the variable BERTH_ETCD_ENDPOINTS", "daemon", "--data-dir="+t.TempDir(), "--etcd-listen", "127.0.0.1:1x", "--socket", "", "--listen", "")
	if !strings.Contains(r.err, "embedded etcd") {
		t.Errorf("not the embedded etcd:\n%s", r.err)
	}
	s.want(exitUsage, "the variable BERTH_ETCD_ENDPOINTS is of a cluster", "restore", "file")
	t.Setenv("BERTH_DATA_DIR", t.TempDir())
	s.want(exitUsage, "nor the variable BERTH_DATA_DIR", "restore", "file")
	s.want(exitUsage, "give one of them", "daemon", "--etcd-endpoints", "http://127.0.0.1:1", "--quota", "1GiB")
}

func TestListen_Busy(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitFailed, "give --listen another address", "daemon", "--data-dir", t.TempDir(), "--socket", "", "--listen", s.local.api)
		s.want(exitFailed, "give --etcd-listen another address", "daemon", "--data-dir", t.TempDir(), "--socket", "", "--listen", "127.0.0.1:0",
			"--etcd-listen", strings.TrimPrefix(s.local.store, "http://"))
		s.want(exitFailed, "give --socket another path", "daemon", "--data-dir", t.TempDir(), "--socket", "/no/such/dir/s")
	})
}
