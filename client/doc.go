// Package client talks to a daemon: over its unix socket, over loopback, or by
// mutual TLS. Its messages are those of api/berth/v1.
//
// Submit may be repeated: the ids make it idempotent. What this package retries
// by itself, it retries for that reason: so do the other calls, each of which sets
// what is to be, or only asks. With several addresses, a daemon that gives no answer
// is left for the next (Options.TryFor).
package client
