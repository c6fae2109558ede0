// Package systemd holds the unit files of Berth, their environment files and
// the test that systemd takes them as they are meant. It has no code of its own.
package systemd
