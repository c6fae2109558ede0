// Package snapshot is a store at one revision, as the scheduler sees it: records of
// workers and requests, and what follows from them. A Snapshot is made of facts,
// whether these come from a store, from its history, or from a file that berth
// snapshot wrote (Writer, Read); it gives a scheduler.Fleet, and says what would
// happen if something were different (Forecast).
//
// It reads nothing by itself and changes nothing. A file holds no command, no
// environment and no address: see strip.
package snapshot
