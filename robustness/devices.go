package robustness

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/berthd/berth"
)

// deviceTypes are those of the workers' devices: a worker has two of one type, or none.
var deviceTypes = []string{"big", "small"}

// devices are a worker's. The last two have none, so that what asks for none goes there first;
// of both types there are some.
func (p *Plan) devices(worker string) (of []berth.Device) {
	at := slices.Index(p.Workers, worker)
	if at >= len(p.Workers)-2 {
		return nil
	}
	for i := range 2 {
		of = append(of, berth.Device{Name: fmt.Sprintf("g%d", i), Type: deviceTypes[at%len(deviceTypes)], MemoryBytes: 8 << 30, Link: links[at%len(links)]})
	}
	return of
}

// drawDevices has some requests ask for devices, whole or a part of one, of a type, of either, or
// of one rather than the other; and limits some tenants' use of a type. It draws from a source of
// its own: what else a seed chooses is as without devices.
func drawDevices(p *Plan) {
	rng := rand.New(rand.NewPCG(p.Seed, 7)) //nolint:gosec // repeatable, not secret
	for i := range p.Jobs {
		r := &p.Jobs[i].Request
		if rng.IntN(4) > 0 || r.Env[envStart] == "refused" { // some workers refuse it: those with its devices may be all of them
			continue
		}
		d := berth.DeviceDemand{Count: 1, Milli: int64(50 + rng.IntN(951))}
		switch {
		case r.Group != nil: // all have to find places at once, in one zone perhaps
			d.Milli = min(d.Milli, 300)
		case rng.IntN(4) == 0:
			d.Count = 2
		case rng.IntN(3) == 0:
			d.Milli = berth.WholeDevice
		}
		if r.Group == nil {
			d.Types = slices.Clone([][]string{nil, deviceTypes[:1], deviceTypes[1:], deviceTypes, {deviceTypes[1], deviceTypes[0]}}[rng.IntN(5)])
		}
		if rng.IntN(6) == 0 {
			d.MemoryBytes = 4 << 30
		}
		r.Resources.Devices = []berth.DeviceDemand{d}
	}
	for i := range p.Limits {
		if l := &p.Limits[i]; l.Most != nil && rng.IntN(3) == 0 {
			l.Most[berth.DeviceDimension(deviceTypes[rng.IntN(len(deviceTypes))])] = int64(rng.IntN(4000))
		}
	}
}
