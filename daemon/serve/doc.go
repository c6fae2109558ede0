// Package serve answers the API: it turns calls into calls of a daemon.Daemon,
// and its results and errors into messages and codes. It holds no state, and
// decides nothing; what a request may be is judged by the daemon.
//
// The output of a request is read from its worker, on the caller's behalf.
package serve
