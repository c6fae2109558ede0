package daemon

import "errors"

// What a caller branches on.
var (
	// ErrNotFound: no request, worker or archive record of that id.
	ErrNotFound = errors.New("not found")
	// ErrConflictingID: the id is taken by a request of other content.
	ErrConflictingID = errors.New("the id is taken by a request with other content")
	// ErrCorrupt: another hand has written in the store what this concerns.
	ErrCorrupt = errors.New("the store's records of this request are corrupt: run berth fsck")
	// ErrNoSpace: the store is near its quota; submissions are refused until
	// history is compacted and the archive purged.
	ErrNoSpace = errors.New("the store is near its quota and refuses new requests")
	// ErrReplaced: the store was restored from a backup, or replaced: what has
	// happened since the backup is forgotten.
	ErrReplaced = errors.New("the store was restored or replaced: look again, and submit again what it has forgotten")
	// ErrStopping: the daemon is stopping, and has done nothing about the request;
	// another may be asked at once.
	ErrStopping = errors.New("this daemon is stopping and took nothing; ask again, or another daemon")
	// ErrNameTaken: another daemon that lives had this one's name before it.
	ErrNameTaken = errors.New("another daemon has this name, and lives: give this one another")
	// ErrBusy: so many ask for the same dear thing that one more would hurt the others.
	ErrBusy = errors.New("busy; ask again later, or another daemon")
	// ErrNotReady: the daemon has not loaded its view, or is stopping.
	ErrNotReady = errors.New("the daemon is not ready")
)
