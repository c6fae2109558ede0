package hotjson

import "github.com/berthd/berth"

func request(c *coder, r *berth.Request) {
	c.begin()
	text(c, "id", &r.ID)
	requestBehindID(c, r)
	c.end()
}

func requestBehindID(c *coder, r *berth.Request) {
	text(c, "tenant", &r.Tenant)
	text(c, "pool", &r.Pool)
	maybeNumber(c, "priority", &r.Priority)
	maybeWord(c, "preemption", &r.Preemption)
	list(c, "command", &r.Command, textItem)
	maybeMap(c, "env", &r.Env, textItem)
	maybeText(c, "dir", &r.Dir)
	maybeText(c, "user", &r.User)
	maybeText(c, "image", &r.Image)
	if c.must("resources") {
		demand(c, &r.Resources)
	}
	maybeList(c, "constraints", &r.Constraints, constraint)
	maybeList(c, "tolerations", &r.Tolerations, toleration)
	maybeList(c, "affinity", &r.Affinity, affinity)
	maybeList(c, "anti_affinity", &r.AntiAffinity, affinity)
	maybeList(c, "spread", &r.Spread, spread)
	maybeText(c, "affinity_key", &r.AffinityKey)
	maybeMap(c, "labels", &r.Labels, textItem)
	maybe(c, "group", &r.Group, membership)
	if c.must("retry") {
		retryPolicy(c, &r.Retry)
	}
	number(c, "stop_timeout_ms", &r.StopTimeoutMS)
	number(c, "start_timeout_ms", &r.StartTimeoutMS)
	maybeNumber(c, "run_limit_ms", &r.RunLimitMS)
	maybeNumber(c, "pending_limit_ms", &r.PendingLimitMS)
	maybeNumber(c, "on_disconnect_keep_ms", &r.KeepMS)
	maybeWord(c, "on_drain", &r.OnDrain)
	maybeText(c, "replaces", &r.Replaces)
}

func demand(c *coder, r *berth.Demand) {
	c.begin()
	quantities(c, &r.Quantities)
	maybeList(c, "ports", &r.Ports, portDemand)
	maybeList(c, "devices", &r.Devices, deviceDemand)
	c.end()
}

func portDemand(c *coder, r *berth.PortDemand) {
	c.begin()
	text(c, "name", &r.Name)
	maybeNumber(c, "number", &r.Number)
	c.end()
}

func deviceDemand(c *coder, r *berth.DeviceDemand) {
	c.begin()
	maybeList(c, "types", &r.Types, textItem)
	number(c, "count", &r.Count)
	number(c, "milli", &r.Milli)
	maybeNumber(c, "memory_bytes", &r.MemoryBytes)
	maybeTrue(c, "linked", &r.Linked)
	maybeText(c, "link", &r.Link)
	c.end()
}

func constraint(c *coder, r *berth.Constraint) {
	c.begin()
	text(c, "label", &r.Label)
	word(c, "operator", &r.Operator)
	maybeList(c, "values", &r.Values, textItem)
	c.end()
}

func toleration(c *coder, r *berth.Toleration) {
	c.begin()
	maybeText(c, "key", &r.Key)
	word(c, "operator", &r.Operator)
	maybeText(c, "value", &r.Value)
	maybeWord(c, "effect", &r.Effect)
	c.end()
}

func requestLabel(c *coder, r *berth.RequestLabel) {
	c.begin()
	text(c, "label", &r.Label)
	text(c, "value", &r.Value)
	c.end()
}

func affinity(c *coder, r *berth.Affinity) {
	c.begin()
	maybe(c, "requests", &r.Requests, requestLabel)
	maybeText(c, "topology", &r.Topology)
	maybeList(c, "workers", &r.Workers, constraint)
	maybeNumber(c, "weight", &r.Weight)
	c.end()
}

func spread(c *coder, r *berth.Spread) {
	c.begin()
	if c.must("requests") {
		requestLabel(c, &r.Requests)
	}
	text(c, "topology", &r.Topology)
	number(c, "max_skew", &r.MaxSkew)
	maybeNumber(c, "weight", &r.Weight)
	c.end()
}

func membership(c *coder, r *berth.Membership) {
	c.begin()
	text(c, "id", &r.ID)
	number(c, "size", &r.Size)
	number(c, "min_count", &r.MinCount)
	maybeText(c, "topology", &r.Topology)
	maybeTrue(c, "linked", &r.Linked)
	c.end()
}

func retryPolicy(c *coder, r *berth.RetryPolicy) {
	c.begin()
	number(c, "max_attempts", &r.MaxAttempts)
	maybeTrue(c, "on_failure", &r.OnFailure)
	maybeList(c, "on", &r.On, retryEnd)
	number(c, "backoff_ms", &r.BackoffMS)
	c.end()
}

func retryEnd(c *coder, r *berth.RetryEnd) { wordItem(c, r) }

func capacityOf(c *coder, r *berth.Capacity) {
	c.begin()
	quantities(c, &r.Quantities)
	if c.has("ports", !r.Ports.IsZero()) {
		portRange(c, &r.Ports)
	}
	maybeList(c, "devices", &r.Devices, device)
	c.end()
}

func portRange(c *coder, r *berth.PortRange) {
	c.begin()
	maybeNumber(c, "first", &r.First)
	maybeNumber(c, "last", &r.Last)
	c.end()
}

func device(c *coder, r *berth.Device) {
	c.begin()
	text(c, "name", &r.Name)
	text(c, "type", &r.Type)
	maybeNumber(c, "memory_bytes", &r.MemoryBytes)
	maybe(c, "numa_node", &r.NUMANode, numberItem)
	maybeText(c, "link", &r.Link)
	c.end()
}

func share(c *coder, name string, r *berth.Share) {
	if c.must(name) {
		shareItem(c, r)
	}
}

func shareItem(c *coder, r *berth.Share) {
	c.begin()
	quantities(c, &r.Quantities)
	maybeList(c, "ports", &r.Ports, numberItem)
	maybeList(c, "devices", &r.Devices, deviceShare)
	c.end()
}

func deviceShare(c *coder, r *berth.DeviceShare) {
	c.begin()
	text(c, "name", &r.Name)
	number(c, "milli", &r.Milli)
	c.end()
}

// quantities are embedded: they are members of the object around them.
func quantities(c *coder, r *berth.Quantities) {
	maybeNumber(c, "cpu_milli", &r.CPUMilli)
	maybeNumber(c, "memory_bytes", &r.MemoryBytes)
	maybeNumber(c, "disk_bytes", &r.DiskBytes)
	maybeMap(c, "custom", &r.Custom, numberItem)
}
