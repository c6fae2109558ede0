// Package client talks to a daemon: over its unix socket, over loopback, or by
// mutual TLS. Its messages are those of api/berth/v1.
//
// Each call may be repeated: the ids make a submission idempotent, and the others
// say what is to be, or only ask. So this package repeats by itself what had no
// answer; with several addresses it leaves a daemon that gives none for the next
// (Options.TryFor), and goes on there with what it watches.
package client
