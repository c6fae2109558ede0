package daemon

// ops is what a transaction has of what etcd bounds (--max-txn-ops): its compares, and
// its writes, each by itself. What it reads when a compare fails is a key for each
// compare at most.
type ops struct{ compares, writes int }

func (o ops) plus(p ops) ops  { return ops{o.compares + p.compares, o.writes + p.writes} }
func (o ops) times(n int) ops { return ops{o.compares * n, o.writes * n} }
func (o ops) most() int       { return max(o.compares, o.writes) }

// What members of a plan cost at most, as etcdstore encodes them. They only size a
// batch: a transaction that is too large is halved.
var (
	opsLedger    = ops{2, 1} // of its worker, alive
	opsSubmit    = ops{2, 1}
	opsPlace     = ops{2, 2}
	opsPlaceNew  = ops{1, 2} // what the plan submits
	opsEnd       = ops{4, 4}
	opsStop      = ops{1, 1} // or an intent
	opsCancel    = ops{2, 3}
	opsGuard     = ops{1, 0}
	opsRemove    = ops{3, 2}
	opsGroup     = ops{1, 2} // with its hold
	opsBlock     = ops{1, 1}
	opsClaim     = ops{2, 1}
	opsPreempt   = opsLedger.plus(opsClaim).plus(opsPlace)
	opsPlacement = opsSubmit.plus(opsPlaceNew).plus(opsLedger)
	opsMember    = opsEnd.plus(opsLedger).plus(opsGroup).plus(opsBlock) // whichever it is
)

// spareOps are left for what stands in a transaction once, such as the schema's compare.
const spareOps = 4
