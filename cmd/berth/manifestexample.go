package main

import "google.golang.org/protobuf/reflect/protoreflect"

// examples are of what a file may hold: of messages by their names, and of the lists and mappings
// in them that hold no messages. A test reads them all.
var examples = map[protoreflect.FullName]string{
	"berth.v1.Request":            `{id: hello, command: [sleep, "5"]}`,
	"berth.v1.Request.command":    `[sleep, "5"]`,
	"berth.v1.Request.env":        `{NAME: value, COUNT: "5"}`,
	"berth.v1.Request.labels":     `{app: web, tier: "2"}`,
	"berth.v1.Demand":             `{cpu_milli: 500, memory_bytes: 1073741824}`,
	"berth.v1.Demand.custom":      `{licence: 1}`,
	"berth.v1.PortDemand":         `{name: http}`,
	"berth.v1.DeviceDemand":       `{types: [h100], count: 2}`,
	"berth.v1.DeviceDemand.types": `[h100, a100]`,
	"berth.v1.Constraint":         `{label: disk, operator: in, values: [ssd]}`,
	"berth.v1.Constraint.values":  `[ssd, "2"]`,
	"berth.v1.Toleration":         `{key: gpu, operator: exists}`,
	"berth.v1.RequestLabel":       `{label: app, value: web}`,
	"berth.v1.Affinity":           `{requests: {label: app, value: web}}`,
	"berth.v1.Spread":             `{requests: {label: app, value: web}, topology: rack}`,
	"berth.v1.Membership":         `{size: 4}`,
	"berth.v1.RetryPolicy":        `{max_attempts: 3}`,
	"berth.v1.RetryPolicy.on":     `[failure, lost]`,
	"berth.v1.Device":             `{name: gpu0, type: h100}`,
}

func exampleOf(d protoreflect.MessageDescriptor) string { return examples[d.FullName()] }

// exampleIn is of a list or a mapping.
func exampleIn(f protoreflect.FieldDescriptor) string {
	if f.IsList() && f.Message() != nil {
		return "[" + exampleOf(f.Message()) + "]"
	}
	return examples[f.FullName()]
}
