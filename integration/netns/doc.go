// Package netns gives tests machines of their own on one machine: network
// namespaces on a bridge, each with an address, that can be cut off in several
// ways. The bridge stands in a namespace of its own, so that tests never meet
// each other or the real network. It needs root, ip and iptables; without them
// the test is skipped. All is gone with the test's process, however that ends:
// nothing has a name. It is imported by tests only.
package netns
