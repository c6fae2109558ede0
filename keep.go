package berth

import "time"

// Keep is what of a pool's workers is kept for a group that waits and does not fit, under
// keeps/<p>: so there is one in a pool at most. Whoever else is to be placed there gets
// only what is left beside the shares, or, where By is known, what it gives back by then.
//
// It promises nothing: nobody compares it, and a placement beyond it breaks no rule of the
// store. The group is placed like any other, wherever it fits.
type Keep struct {
	Header
	Group    GroupID      `json:"group"`
	Since    time.Time    `json:"since"`                 // something has been kept for it
	Chosen   time.Time    `json:"chosen"`                // the workers were, without regard to which it was before
	By       time.Time    `json:"by,omitzero"`           // all that it waits for ends by then, as run limits and stop orders say; zero: not known
	MadeRoom time.Time    `json:"made_room_at,omitzero"` // others were last told to stop for it, by the transaction that put that; zero: nobody was
	Workers  []KeptWorker `json:"workers"`               // by id
}

// KeptWorker is what is kept of one worker: the shares of so many members as are to go
// there. It may be more than is free now; it is empty where others only make room, for who goes
// elsewhere has to be apart from them.
type KeptWorker struct {
	Worker WorkerID `json:"worker"`
	Share  Share    `json:"share"`
}
