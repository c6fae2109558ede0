package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon/backup"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// tell writes an error and what to do next: what was found out about it goes before
// what is usual.
func tell(w io.Writer, err error, found string) {
	if e, ok := errors.AsType[*exitError](err); ok && e.err == nil {
		return
	}
	if err == nil {
		return
	}
	fmt.Fprintf(w, "berth: %v\n", err)
	if found == "" {
		found = nextStep(err)
	}
	if found != "" {
		fmt.Fprintf(w, "  %s\n", found)
	}
}

func nextStep(err error) string {
	if _, ok := errors.AsType[*client.UnreachableError](err); ok {
		return "start one with `berth dev`, or say where it is with --address or BERTH_ADDRESS"
	}
	if _, ok := errors.AsType[*client.NotDaemonError](err); ok {
		return "is that etcd's port? --address or BERTH_ADDRESS names the daemon's, which is " + client.DefaultAddress + " by default"
	}
	if e, ok := errors.AsType[*listenError](err); ok && e.hint() != "" {
		return e.hint()
	}
	switch {
	case etcdstore.Unreachable(err):
		return "is etcd up, and are --etcd-endpoints, the certificates and the firewall right? etcdctl endpoint health tells more"
	case errors.Is(err, mtls.ErrNotLoopback):
		return "give --tls-cert, --tls-key and --tls-ca; docs/runbook.md shows how to make them"
	case errors.Is(err, embed.ErrLocked):
		return "stop the other daemon, or give --data-dir another directory"
	case errors.Is(err, backup.ErrExists):
		return "give another name, or --force to write over it"
	case errors.Is(err, backup.ErrNotEmpty):
		return "give --data-dir another directory, or move what is there away: nothing is restored over a store"
	case errors.Is(err, etcdstore.ErrNotBumped):
		return "restore it with etcdutl snapshot restore --bump-revision --mark-compacted first; docs/runbook.md has the steps"
	case errors.Is(err, worker.ErrNameTaken):
		return "stop that agent, give this one another name (--name, or the names in the file of --hollow), or wait for its end with --wait-for-name"
	case errors.Is(err, worker.ErrStateDirLocked):
		return "stop the other agent, or give --data-dir another directory"
	}
	return ""
}
