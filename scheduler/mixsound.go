package scheduler

import (
	"fmt"

	"github.com/berthd/berth"
)

// Validate refuses what no requests could have made: of a file that was edited, prices
// could not be made.
func (s *MixState) Validate() error {
	if err := soundMix(s.Asked, s.Usual, s.Groups); err != nil || s.Priced == nil {
		return err
	}
	p := s.Priced
	if err := soundMix(p.Asked, p.Usual, p.Groups); err != nil {
		return fmt.Errorf("priced: %w", err)
	}
	for name, n := range p.Devices {
		if err := inRange("priced: devices of type "+name, n, 0, maxCounts); err != nil {
			return err
		}
	}
	return nil
}

// maxCounts bounds sums that have no bound of their own: a thousand times what can be.
const maxCounts = 1 << 50

func soundMix(asked int64, usual []berth.UsualShape, groups []berth.GroupsAsked) error {
	if err := inRange("asked", asked, 0, maxCounts); err != nil {
		return err
	}
	if err := inRange("number of usual shapes", int64(len(usual)), 0, maxUsual); err != nil {
		return err
	}
	if err := inRange("number of topologies", int64(len(groups)), 0, maxTopologies); err != nil {
		return err
	}
	for i := range usual {
		if err := soundShape(&usual[i]); err != nil {
			return fmt.Errorf("usual shape %d: %w", i, err)
		}
	}
	for i := range groups {
		if err := inRange("weight of groups", groups[i].Weight, 0, maxCounts); err != nil {
			return err
		}
	}
	return nil
}

func soundShape(u *berth.UsualShape) error {
	for _, v := range []struct {
		name            string
		is, least, most int64
	}{
		{"count", u.Count, 1, berth.MaxDevicesPerRequest},
		{"milli", u.Milli, 1, berth.WholeDevice},
		{"cpu_bucket", u.CPU, 0, 255},
		{"memory_bucket", u.Memory, 0, 255},
		{"weight", u.Weight, 1, mixWindow * mixUnit},
		{"cpu_milli_sum", u.CPUMilli, 0, mixWindow * mixUnit * berth.MaxCPUMilli},
		{"memory_mib_sum", u.MemoryMiB, 0, mixWindow * mixUnit * (berth.MaxMemoryBytes >> 20)},
	} {
		if err := inRange(v.name, v.is, v.least, v.most); err != nil {
			return err
		}
	}
	return nil
}

func inRange(name string, is, least, most int64) error {
	if is < least || is > most {
		return fmt.Errorf("%s is %d; allowed: %d to %d", name, is, least, most)
	}
	return nil
}
