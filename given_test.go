package berth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthd/berth"
)

// What is refused of a 0 that was given is the bound that Validate refuses others with, and where nothing
// is given there is a default.
func TestCheckGiven(t *testing.T) {
	for field, set := range map[string]func(*berth.Request, int64){
		"retry.max_attempts": func(r *berth.Request, v int64) { r.Retry.MaxAttempts = v },
		"retry.backoff_ms":   func(r *berth.Request, v int64) { r.Retry.BackoffMS = v },
		"stop_timeout_ms":    func(r *berth.Request, v int64) { r.StopTimeoutMS = v },
		"start_timeout_ms":   func(r *berth.Request, v int64) { r.StartTimeoutMS = v },
		"spread.max_skew":    func(r *berth.Request, v int64) { r.Spread[0].MaxSkew = v },
		"group.min_count":    func(r *berth.Request, v int64) { r.Group.MinCount = v },

		"resources.devices.count": func(r *berth.Request, v int64) { r.Resources.Devices = []berth.DeviceDemand{{Count: v}} },
		"resources.devices.milli": func(r *berth.Request, v int64) { r.Resources.Devices = []berth.DeviceDemand{{Milli: v}} },
	} {
		t.Run(field, func(t *testing.T) {
			with := func(v int64) berth.Request {
				r := berth.Request{ID: "a", Command: []string{"true"}, Spread: []berth.Spread{{Requests: berth.RequestLabel{Label: "app"}}}, Group: &berth.Membership{Size: 2}}
				set(&r, v)
				return r.Normalize()
			}
			if err := with(0).Validate(); err != nil {
				t.Fatalf("the default: %v", err)
			}
			low, ok := errors.AsType[*berth.FieldError](with(-1).Validate())
			given, refused := errors.AsType[*berth.FieldError](berth.CheckGiven(field, 0))
			if !ok || !refused || given.Problem != "is too small" || given.Value != "0" {
				t.Fatalf("-1: %v; 0: %v", low, given)
			}
			if want := strings.Replace(low.Bound, "to 2", "to group.size", 1); given.Bound != low.Bound && given.Bound != want {
				t.Errorf("0 is refused with %q, and -1 with %q", given.Bound, low.Bound)
			}
			if err := berth.CheckGiven(field, 1); err != nil {
				t.Errorf("1: %v", err)
			}
		})
	}
	for _, field := range []string{"priority", "run_limit_ms", "affinity.weight", "resources.cpu_milli", "group.size"} {
		if err := berth.CheckGiven(field, 0); err != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// Where an empty text or list stands for the default, it is refused of who has written it.
func TestCheckGivenText(t *testing.T) {
	for _, field := range []string{"tenant", "pool", "preemption", "on_drain", "spread.topology", "tolerations.effect"} {
		if err := berth.CheckGivenText(field, ""); err == nil || !strings.HasPrefix(err.Error(), field+" is empty; allowed: ") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for field, v := range map[string]string{"tenant": "a", "tolerations.value": "", "affinity.requests.value": "", "env.a": ""} {
		if err := berth.CheckGivenText(field, v); err != nil {
			t.Errorf("%s %q: %v", field, v, err)
		}
	}
	if err := berth.CheckGivenList("retry.on", 0); err == nil {
		t.Error("an empty retry.on is taken")
	}
	if err := errors.Join(berth.CheckGivenList("retry.on", 1), berth.CheckGivenList("resources.devices.types", 0)); err != nil {
		t.Error(err)
	}
}

// What stands twice is refused, also where Normalize would drop it.
func TestCheckRepeats(t *testing.T) {
	good := berth.Request{ID: "a", Retry: berth.RetryPolicy{On: []berth.RetryEnd{berth.RetryLost, berth.RetryOOM}}, Resources: berth.Demand{Devices: []berth.DeviceDemand{{Types: []string{"t4"}}, {Types: []string{"h100", "t4"}}}}}
	if err := good.CheckRepeats(); err != nil {
		t.Fatal(err)
	}
	ends, types := good, good
	ends.Retry.On = []berth.RetryEnd{berth.RetryLost, berth.RetryLost}
	if err := ends.CheckRepeats(); err == nil || !strings.HasPrefix(err.Error(), `retry.on[1] "lost" stands twice`) {
		t.Errorf("ends: %v", err)
	}
	types.Resources.Devices = []berth.DeviceDemand{{}, {Types: []string{"h100", "t4", "h100"}}}
	if err := types.CheckRepeats(); err == nil || !strings.HasPrefix(err.Error(), `resources.devices[1].types[2] "h100" stands twice`) {
		t.Errorf("types: %v", err)
	}
	ports := good
	ports.Command = []string{"true"}
	ports.Resources.Ports = []berth.PortDemand{{Name: "a.b"}, {Name: "x"}, {Name: "a-b"}}
	want := `resources.ports[2].name "a-b" and "a.b" would both stand in the variable BERTH_PORT_A_B; allowed: names that differ in more than - . and _`
	if err := ports.CheckRepeats(); err == nil || err.Error() != want {
		t.Errorf("ports: %v", err)
	}
	if err := ports.Normalize().Validate(); err != nil && strings.Contains(err.Error(), "ports") { // what was stored before goes on
		t.Errorf("ports that are stored: %v", err)
	}
}
