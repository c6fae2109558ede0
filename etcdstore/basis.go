package etcdstore

import "github.com/berthd/berth"

// Bounds of what the basis of a plan takes of the store, beside all else that the
// plan's transaction puts: an eighth of that, and of a small one basisLeast, or
// basisBurst. History is kept of every one of them, so a basis as large as its plan would
// halve how far back a small store's history reaches, and fill it when that is too late.
//
// A small plan of a burst tells what the large ones before it have reserved that have no
// answer yet: 29 bytes of each placement, for as long as the burst lasts. With 4 KiB, of
// bursts of 249 requests 2 % of the placements could not be decided again, and of 1,000 on
// 200 workers 24 %; with 16 KiB none and 16 %, with 32 KiB none, for 0.5 and 4 % more bytes.
// Workers that are other than their records say (suspended ones) a plan may have to tell
// for as long as they are: that is kept within basisLeast. Where others run, and who could
// make room, it may have to tell for ever: that is kept within basisMore.
//
// The prices of devices are beside that. They stand there whole only when they are new,
// and are made anew when about as many requests have come again: of a request it is a
// shape, at most.
const (
	basisLeast  = 16 << 10
	basisBurst  = 32 << 10
	basisMore   = 4 << 10
	basisPart   = 8
	bytesPriced = 256 // of a shape, with all its numbers
)

// basis puts what the placements, and claims, were planned on, behind all else. Nobody compares it:
// it says what was, not what is. Where it would take too much, it says only that.
func (t *txn) basis(s *Store, p *berth.Plan) error {
	if p.Basis == nil {
		return nil
	}
	limits, k := s.Limits(), berth.Key{Kind: berth.KindPlan}
	rec, rest, size := *p.Basis, len(t.values), t.size()+t.keys.length(k)+operationBytes
	if len(t.puts) >= limits.Ops {
		return nil // without it rather than not at all
	}
	rec.Header = t.header()
	values, err := appendRecord(t.values, &rec)
	tooMuch := func(least int) bool {
		return err != nil || len(values)-rest-pricesBytes(&rec) > max(least, rest/basisPart) || size+len(values)-rest > limits.Bytes
	}
	if len(rec.Room) > 0 && tooMuch(basisMore) { // where a request got its place can be decided again all the same
		rec = rec.WithoutOccupants()
		values, err = appendRecord(t.values, &rec)
	}
	if len(rec.Relations) > 0 && tooMuch(basisMore) { // what looks at nobody can be replayed all the same
		rec.Relations = nil
		values, err = appendRecord(t.values, &rec)
	}
	least := basisLeast
	if len(rec.Steps) > len(rec.Seats)+len(rec.Overlay) {
		least = basisBurst
	}
	if tooMuch(least) {
		rec = rec.Bare()
		if values, err = appendRecord(t.values, &rec); err != nil || size+len(values)-rest > limits.Bytes {
			return err
		}
	}
	t.write(write{key: k, record: &rec}, values)
	return nil
}

// pricesBytes is what prices take at most.
func pricesBytes(b *berth.PlanBasis) (n int) {
	for i := range b.Prices {
		if p := b.Prices[i].Prices; p != nil {
			n += bytesPriced * (1 + len(p.Usual) + len(p.Devices))
		}
	}
	return n
}
