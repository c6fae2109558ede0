// Package picture draws runs of a trace as SVG: what was allocated, what was idle and why, how many jobs waited and
// for how long, how many made room for others, and who held which share, over time. It draws what a TraceResult
// says, computes nothing besides, and needs neither fonts nor a library, so that berth carries none.
package picture
