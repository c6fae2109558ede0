// Package wire turns the words of the root package into the messages of the API,
// and back. It changes no value and judges none: what a message says is checked
// by berth.Request.Validate on the daemon's side.
package wire
