package snapshot_test

import (
	"slices"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// limitedTypes are a worker with three of the type h100, of which the quota has so much, and one with another device.
func limitedTypes(limit int64) *store {
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	s.worker("w2", 4000, berth.Intent{})
	s.has("w1", []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}, {Name: "g2", Type: "h100"}})
	s.has("w2", []berth.Device{{Name: "g0", Type: "l4"}})
	s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
		Limits: berth.Amounts{berth.DeviceDimension("h100"): limit},
	}}})
	return s
}

// Of a group that may have any devices the quota leaves a type of which no worker has enough: it waits for its quota of the others. Where
// the whole of that is too little, it never fits.
func TestForecast_GroupByItsQuotaOfTypes(t *testing.T) {
	t.Parallel()
	for limit, never := range map[int64]bool{2 * berth.WholeDevice: false, berth.WholeDevice: true} {
		s := limitedTypes(limit)
		first := typed("first", 1, 1, "h100")
		first.Resources.Devices[0].Count = limit / berth.WholeDevice
		anyType := typed("g", 1, 1)
		anyType.Resources.Devices[0].Count = 2
		all, err := s.taken().Forecast(&snapshot.Change{Requests: []berth.Request{first, anyType}})
		if err != nil || len(all) != 2 || all[0].Worker != "w1" || all[1].Verdict == nil {
			t.Fatal(all, err)
		}
		v := all[1].Verdict
		i := slices.IndexFunc(v.Reasons, func(r berth.Reason) bool { return r.Code == berth.ReasonQuota })
		if v.NeverFits != never || i < 0 || v.Reasons[i].Detail != string(berth.DeviceDimension("h100")) || v.Reasons[i].Best != 0 || v.Reasons[i].Total != limit {
			t.Errorf("of %d: %+v", limit, v)
		}
	}
}

// The same of a request by itself.
func TestForecast_RequestByItsQuotaOfTypes(t *testing.T) {
	t.Parallel()
	for limit, never := range map[int64]bool{2 * berth.WholeDevice: false, berth.WholeDevice: true} {
		s := limitedTypes(limit)
		first, anyType := request("first", 3500), request("r", 4000)
		first.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100"}, Count: 1, Milli: berth.WholeDevice}}
		anyType.Resources.Devices = []berth.DeviceDemand{{Count: 2, Milli: berth.WholeDevice}}
		all, err := s.taken().Forecast(&snapshot.Change{Requests: []berth.Request{first, anyType}})
		if err != nil || len(all) != 2 || all[0].Worker != "w1" || all[1].Verdict == nil {
			t.Fatal(all, err)
		}
		v := all[1].Verdict
		i := slices.IndexFunc(v.Reasons, func(r berth.Reason) bool { return r.Code == berth.ReasonQuota })
		if v.NeverFits != never || i < 0 || v.Reasons[i].Detail != string(berth.DeviceDimension("h100")) || v.Reasons[i].Best != limit-berth.WholeDevice || v.Reasons[i].Total != limit {
			t.Errorf("of %d: %+v", limit, v)
		}
	}
}
