// Package mtls opens and serves what Berth listens on: loopback and unix
// sockets as they are, everything beyond only by mutual TLS with certificates
// from files. Daemon, worker and client share it, so that the rule has one
// home. It knows nothing of what is served.
package mtls
