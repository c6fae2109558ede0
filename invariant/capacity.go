package invariant

import (
	"reflect"
	"strconv"
)

// checkCapacity is invariant 1: no ledger exceeds the capacity it carries.
func (s *State) checkCapacity(w string, f *finder) {
	key := kindLedger + "/" + w
	_, l, _ := at[ledger](s, key)
	if l == nil {
		return
	}
	have := quantitiesOf(l.Capacity.quantities)
	used := tallyOf(l.Reserved, l.Held)
	for _, d := range used.dimensions() {
		l.checkDimension(f, key, d, used[d], have[d])
	}
	s.checkRegistered(w, l, f)
}

// clausesOfCapacity are those of the resources that are amounts.
var clausesOfCapacity = map[family]string{familyCPU: "1.1", familyMemory: "1.2", familyDisk: "1.3", familyCustom: "1.4"}

func (l *ledger) checkDimension(f *finder, key string, d dimension, used, have sum) {
	switch d.family {
	case familyPort:
		port, _ := strconv.ParseInt(d.name, 10, 64)
		if r := l.Capacity.Ports; r.Last == 0 || port < r.First || port > r.Last {
			f.add("1.5", key, "port %d is not in %d to %d", port, r.First, r.Last)
		}
		if used.above(sum{low: 1}) {
			f.add("1.8", key, "port %d is held %s times", port, used)
		}
	case familyDevice:
		known := false
		for _, dev := range l.Capacity.Devices {
			known = known || dev.Name == d.name
		}
		if !known {
			f.add("1.6", key, "device %s is not in the capacity", d.name)
		}
		if used.above(sum{low: 1000}) {
			f.add("1.7", key, "device %s: %s of 1000 thousandths", d.name, used)
		}
	default:
		if used.above(have) {
			f.add(clausesOfCapacity[d.family], key, "%s: %s of %s", d, used, have)
		}
	}
}

// checkRegistered is clause 1.9: the ledger carries what its epoch registered.
func (s *State) checkRegistered(w string, l *ledger, f *finder) {
	e, r, _ := at[worker](s, kindWorker+"/"+w)
	if r == nil || e.Create != l.Epoch {
		return
	}
	same := len(quantitiesOf(l.Capacity.quantities).differences(quantitiesOf(r.Capacity.quantities))) == 0 &&
		l.Capacity.Ports == r.Capacity.Ports &&
		reflect.DeepEqual(typesOf(l.Capacity.Devices), typesOf(r.Capacity.Devices))
	if !same {
		f.add("1.9", kindLedger+"/"+w, "carries another capacity than epoch %d registered", l.Epoch)
	}
}

func typesOf(list []device) map[string]string {
	out := map[string]string{}
	for _, d := range list {
		out[d.Name] = d.Type
	}
	return out
}
