package worker

import (
	"fmt"

	"github.com/berthd/berth"
)

// LinkByNUMA names the link domains of devices by their NUMA nodes: numa0 and so on, in
// which each reaches the others without crossing to another socket. Who is on a node that
// is not known is in no domain. It says how many are in one.
func LinkByNUMA(devices []berth.Device) (linked int) {
	for i := range devices {
		d := &devices[i]
		if d.Link = ""; d.NUMANode != nil {
			d.Link = fmt.Sprintf("numa%d", *d.NUMANode)
			linked++
		}
	}
	return linked
}
