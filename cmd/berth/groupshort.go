package main

import (
	"fmt"
	"strings"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// nextLacks is what keeps one more member of a group off most workers, where its members may be anywhere: the first of what
// filters say, and where others have room, that it would break its spread there. Empty: nothing is told of it.
func nextLacks(v *berthv1.Verdict) string {
	if v.GetReasons()[0].GetNear() != "" {
		return ""
	}
	for _, r := range v.GetReasons()[1:] {
		if !ofFilter(r) {
			continue
		}
		text := reasonText(r)
		if s := spreadBroken(v); s != nil && s != r {
			text += "; " + reasonText(s)
		}
		return text
	}
	return ""
}

// ofFilter says whether a reason is a filter's that is not told by itself: others are of no workers, or say nothing of what one more
// member lacks.
func ofFilter(r *berthv1.Reason) bool {
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonKept, berth.ReasonClaim, berth.ReasonQuota, berth.ReasonPreemption, berth.ReasonElsewhere:
		return false
	}
	return true
}

// spreadBroken is of the workers on which one more member of a group would break its spread; nil: of none.
func spreadBroken(v *berthv1.Verdict) *berthv1.Reason {
	for _, r := range v.GetReasons() {
		if r.GetCode() == string(berth.ReasonSpread) {
			return r
		}
	}
	return nil
}

// spreadFirst says where a group's room has to come free first, for its spread; "": anywhere.
func spreadFirst(v *berthv1.Verdict) string {
	r := spreadBroken(v)
	if r == nil {
		return ""
	}
	what, _, _ := strings.Cut(r.GetDetail(), ":")
	return fmt.Sprintf(", first of all elsewhere than on %s, for its spread of %s", someText(r), what)
}

// roomFor is the room that a group needs for so many more members at a site, and of what, where that is one thing.
func roomFor(v *berthv1.Verdict, members int64, site string) string {
	text, r := fmt.Sprintf("room for %d more of its members%s", members, site), onlyShort(v)
	switch {
	case r == nil:
		return text + nearWhat(v)
	case r.GetCode() == string(berth.ReasonPorts) && r.GetDetail() != "":
		return fmt.Sprintf("port %s free on %s%s", r.GetDetail(), plural(members, "more worker"), site)
	case members == 1:
		return text + ": " + shortEach(r)
	}
	return text + ": " + shortEach(r) + " for each"
}

// nearWhat is what a group is to be near, where that is first of what keeps its next member off.
func nearWhat(v *berthv1.Verdict) string {
	if rest := v.GetReasons()[1:]; len(rest) > 0 && rest[0].GetCode() == string(berth.ReasonAffinity) {
		requests, topology, requested := strings.Cut(rest[0].GetDetail(), " on the ")
		if requested {
			return fmt.Sprintf(" on the %s of such requests (%s)", topology, requests)
		}
	}
	return ""
}

// onlyShort is the resource of which workers have too little for one more member; nil: that are several, or none.
func onlyShort(v *berthv1.Verdict) (short *berthv1.Reason) {
	for _, r := range v.GetReasons()[1:] {
		switch berth.ReasonCode(r.GetCode()) {
		case berth.ReasonCPU, berth.ReasonMemory, berth.ReasonDisk, berth.ReasonCustom, berth.ReasonPorts, berth.ReasonDevices, berth.ReasonDeviceMilli, berth.ReasonDeviceMemory:
			if short != nil {
				return nil
			}
			short = r
		}
	}
	return short
}

// shortEach is what one member wants of what is short.
func shortEach(r *berthv1.Reason) string {
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonCPU:
		return coresText(r.GetWant())
	case berth.ReasonPorts:
		return plural(r.GetWant(), "port")
	case berth.ReasonDevices:
		return plural(r.GetWant(), "device") + " (" + r.GetDetail() + ")"
	case berth.ReasonDeviceMilli:
		return fmt.Sprintf("%d thousandths of one device (%s)", r.GetWant(), r.GetDetail())
	case berth.ReasonDeviceMemory:
		return fmt.Sprintf("devices (%s) with %s of memory", r.GetDetail(), amount(r, r.GetWant()))
	}
	return amount(r, r.GetWant()) + " " + resourceName(r)
}

// lacksDomains says whether a reason is that a group's members keep apart over a topology of which too few domains could
// have one.
func lacksDomains(r *berthv1.Reason) bool {
	return r.GetCode() == string(berth.ReasonAntiAffinity) && r.GetWant() > r.GetTotal()
}

// apartOver is the topology over which an anti_affinity keeps requests apart, and which: app=h on the rack.
func apartOver(r *berthv1.Reason) (topology, requests string) {
	requests, topology, _ = strings.Cut(r.GetDetail(), " on the ")
	return topology, requests
}

// domainsLack says so in words.
func domainsLack(r *berthv1.Reason) string {
	topology, requests := apartOver(r)
	return fmt.Sprintf("its members must be apart over %s (anti_affinity %s), and there are %d that could have one", topology, requests, r.GetTotal())
}

// domainsHelp is what would let such a group be placed.
func domainsHelp(r *berthv1.Reason) string {
	topology, _ := apartOver(r)
	more := r.GetWant() - r.GetTotal()
	where, label := plural(more, "more worker"), "berth plan --add tells"
	if topology != berth.TopologyHost {
		where, label = fmt.Sprintf("workers in %d more of the %s", more, topology), fmt.Sprintf("berth worker --labels %s=VALUE", topology)
	}
	if more == 1 {
		where = "another worker"
		if topology != berth.TopologyHost {
			where = "a worker in another " + topology
		}
		return fmt.Sprintf("%s that could take one of its members (%s), or fewer members", where, label)
	}
	return fmt.Sprintf("%s that could take one of its members each (%s), or fewer members", where, label)
}
