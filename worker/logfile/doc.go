// Package logfile keeps the output of one container in files of bounded size,
// and reads it back, following it while it grows.
//
// It owns the names and the order of those files. A stream (stdout, stderr)
// is one long sequence of bytes, of which the newest are kept; a byte's offset
// in that sequence is its name for ever, so a follower that knows how far it
// came goes on exactly there, and learns how much it missed when rotation was
// faster than it.
//
// The current file is name.log. A full one is renamed to name.log.OFFSET,
// where OFFSET is the offset of its first byte, and the oldest is removed.
// Numbers that shift (.1, .2) lost: a reader could not tell what it holds, and
// a crash between two renames would falsify every offset. Here a rotation is a
// single rename, and where name.log begins follows from the newest rotated
// file's name and size, at every instant, without any other record.
//
// It never blocks a container for want of space and never ends one: what
// cannot be written is dropped, counted, and said in the log once that can be
// written again. It never calls fsync: logs are not what Berth keeps durable.
package logfile
