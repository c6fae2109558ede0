package berth

import (
	"slices"
	"time"
)

// PlanBasis is the record of the key plan: what the last transaction that placed
// anything was planned on, beside the records of the store at Revision. Every such
// transaction puts it, so the key's history has the basis of each placement, at the
// CreateRevision of its allocation, for as long as the store keeps history.
type PlanBasis struct {
	Header
	Daemon   DaemonID            `json:"daemon"`            // that planned it
	Clock    time.Time           `json:"clock"`             // of that daemon
	Revision Revision            `json:"revision"`          // its view had all up to this
	Policy   string              `json:"policy"`            // the version of the rules
	Partial  bool                `json:"partial,omitempty"` // there was too much to keep; what follows is left out
	Group    *PlannedGroup       `json:"group,omitempty"`   // the plan places this group, and nothing else
	Awake    []DaemonID          `json:"awake,omitempty"`   // that workers are shared among
	Ledgers  []Revision          `json:"ledgers,omitempty"` // the ledgers that were put at these were known, too
	Overlay  map[string]Revision `json:"overlay,omitempty"` // keys, without the prefix, that were known as of another revision
	Seats    []PlannedSeat       `json:"seats,omitempty"`   // workers that were taken for something else than their records say
	Shares   []Share             `json:"shares,omitempty"`  // by number: of steps
	Steps    []PlannedStep       `json:"steps,omitempty"`   // what was reserved and freed beyond the records, in order
	Types    []PlannedTypes      `json:"types,omitempty"`   // of decisions whose tenant's quota left out types of devices
	Room     []PlannedRoom       `json:"room,omitempty"`    // placements where others had made room: their workers were not chosen; and claims
	Prices   []PlannedPrices     `json:"prices,omitempty"`  // of pools with devices; none: nothing had a price yet

	Relations []PlannedRelation `json:"relations,omitempty"` // that decisions about where others run looked at; none: nothing did, or it was too much
}

// Bare is the basis without what grows with how much differed: all that is kept where
// that was too much. The prices are for the plans that follow, too.
func (b *PlanBasis) Bare() PlanBasis {
	return PlanBasis{Header: b.Header, Daemon: b.Daemon, Clock: b.Clock, Revision: b.Revision, Policy: b.Policy, Partial: true, Prices: b.Prices}
}

// RoomOf says of a placement, or of a claim, that others had made room for it; nil: they had not.
func (b *PlanBasis) RoomOf(id RequestID) *PlannedRoom {
	for i := range b.Room {
		if b.Room[i].Request == id {
			return &b.Room[i]
		}
	}
	return nil
}

// StepOf is the one by which a request was placed.
func (b *PlanBasis) StepOf(id RequestID) (step int64, ok bool) {
	i := slices.IndexFunc(b.Steps, func(s PlannedStep) bool { return s.For == id })
	return int64(i), i >= 0
}

// TypesAt is which types of devices a decision was about; nil: those that its request
// names.
func (b *PlanBasis) TypesAt(step int64) [][]string {
	for i := range b.Types {
		if b.Types[i].Step == step {
			return b.Types[i].Types
		}
	}
	return nil
}

// PricesAt is by what prices a decision was made; nil: by none.
func (b *PlanBasis) PricesAt(pool PoolID, step int64) (by *PlannedPrices) {
	for i := range b.Prices {
		if p := &b.Prices[i]; p.Pool == pool && p.From <= step {
			by = p
		}
	}
	return by
}

// PlannedGroup is a group whose members are decided together: those in the store that
// wait, and those that the plan places.
type PlannedGroup struct {
	ID   GroupID `json:"id"`
	From int64   `json:"from,omitempty"` // the step of the first member that is placed
	Of   int     `json:"of"`             // so many of the members, the first ones: its tenant's quota may have had no room for more
	Need int     `json:"need"`           // fewer are not placed at all
	Kept bool    `json:"kept,omitempty"` // on the workers of an earlier try, which it had held

	Types [][]string       `json:"types,omitempty"` // as of PlannedTypes
	Left  map[string]int64 `json:"left,omitempty"`  // thousandths of the devices of a type that its tenant's quota had for all members
}

// PlannedSeat is what a daemon knew of a worker that no record of it says.
type PlannedSeat struct {
	Worker    WorkerID `json:"worker"`
	Unknown   bool     `json:"unknown,omitempty"`   // it had not looked at it yet
	Opened    bool     `json:"opened,omitempty"`    // its ledger was opened by the same transaction
	Foreign   *bool    `json:"foreign,omitempty"`   // it took it for another daemon's share, or for its own
	Held      bool     `json:"held,omitempty"`      // for another group
	Suspended bool     `json:"suspended,omitempty"` // its starts failed in a row
	Probing   bool     `json:"probing,omitempty"`   // and after that, one start at a time
	Starting  int      `json:"starting,omitempty"`  // with Probing: those on their way
}

// PlannedTypes is which types of devices a decision was about: its tenant's quota had no
// room for the others that its request names.
type PlannedTypes struct {
	Step  int64      `json:"step"`
	Types [][]string `json:"types"` // of each of the request's demands
}

// PlannedRoom is a placement on the worker where others had made room for it: by ends
// that its claim had waited for, or by those that this plan takes back.
type PlannedRoom struct {
	Request RequestID `json:"request"`
	PlannedLedger
	Nowhere *int64              `json:"nowhere,omitempty"` // this plan makes the room: when this step was the next one, the request fitted nowhere
	Overlay map[string]Revision `json:"overlay,omitempty"` // as of PlanBasis: the records of that worker
	Types   [][]string          `json:"types,omitempty"`   // as of PlannedTypes
	Prices  *PlannedPrices      `json:"prices,omitempty"`  // by which devices were dealt there
	Beside  []PlannedBeside     `json:"beside,omitempty"`  // of those that the request requires something of, how many it met

	Claim     bool              `json:"claim,omitempty"`     // the request is not placed yet: it waits for those who are told to stop
	Occupants []PlannedOccupant `json:"occupants,omitempty"` // with Nowhere: who could have made room on that worker; none: that was too much
}

// PlannedOccupant is an allocation on a worker where others make room, as who chose among them saw
// it: what may change of it. The rest stands in the records of it.
type PlannedOccupant struct {
	Request  RequestID `json:"r"`
	Priority int32     `json:"p,omitempty"`       // its request's, or an operator's instead
	Members  int       `json:"members,omitempty"` // of its group, that end with it
	Leaving  bool      `json:"leaving,omitempty"` // it had ended, or was told to
	Chosen   bool      `json:"chosen,omitempty"`
}

// WithoutOccupants is the basis without who could have made room.
func (b *PlanBasis) WithoutOccupants() PlanBasis {
	next := *b
	next.Room = slices.Clone(b.Room)
	for i := range next.Room {
		next.Room[i].Occupants = nil
	}
	return next
}

// PlannedLedger is the sums of a worker's ledger, by numbers of shares.
type PlannedLedger struct {
	Reserved int   `json:"reserved"`
	Held     int   `json:"held"`
	Count    int64 `json:"count"`
}

// PlannedStep is a share of a worker that was reserved, or freed, by a transaction
// that had no answer yet, or by this one; or what the ledger was in all, from then on.
type PlannedStep struct {
	Worker WorkerID       `json:"w"`
	Share  int            `json:"s,omitempty"` // its number in Shares
	Free   bool           `json:"free,omitempty"`
	More   int            `json:"n,omitempty"`      // so many times again
	Ledger *PlannedLedger `json:"ledger,omitempty"` // instead of a share
	For    RequestID      `json:"r,omitempty"`      // that this plan places with it
}
