package netns

import (
	"fmt"
	"slices"
)

// Cut is a way to be cut off.
type Cut string

// The ways. In all of them connections stay open, and nobody is told.
const (
	CutLink Cut = "link" // its cable is out
	CutIn   Cut = "in"   // it hears nothing, and is heard
	CutOut  Cut = "out"  // it is not heard, and hears
	CutFrom Cut = "from" // only some hosts and it hear nothing of each other
)

// Cuts are the ways that need no list of others.
var Cuts = []Cut{CutLink, CutIn, CutOut}

// Cut cuts the host off until Heal: from the others, or with CutFrom from those
// named.
func (h *Host) Cut(how Cut, from ...*Host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch how {
	case CutLink:
		return h.hub.ip("link set " + h.link + " down")
	case CutIn:
		return h.own.run("iptables", "-A", "INPUT", "!", "-i", "lo", "-j", "DROP")
	case CutOut:
		return h.own.run("iptables", "-A", "OUTPUT", "!", "-o", "lo", "-j", "DROP")
	case CutFrom:
		for _, other := range from {
			if other == h {
				continue
			}
			for _, rule := range [][]string{{"INPUT", "-s"}, {"OUTPUT", "-d"}} {
				if err := h.own.run("iptables", slices.Concat([]string{"-A"}, rule, []string{other.Address, "-j", "DROP"})...); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return fmt.Errorf("no such cut: %q", how)
}

// Heal ends all cuts.
func (h *Host) Heal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.hub.ip("link set " + h.link + " up"); err != nil {
		return err
	}
	return h.own.run("iptables", "-F")
}
