package worker

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestTask_Env(t *testing.T) {
	request := berth.Request{
		Env:       map[string]string{"A": "1", "BERTH_WORKER": "forged", "CUDA_VISIBLE_DEVICES": "0"},
		Resources: berth.Demand{Ports: []berth.PortDemand{{Name: "http-admin"}, {Name: "x.y"}}},
	}
	task := &task{
		id: "r1", submission: &berth.Submission{Spec: request},
		allocation: &berth.Allocation{Attempt: 3, Share: berth.Share{
			Ports: []int32{20001, 20000}, Devices: []berth.DeviceShare{{Name: "gpu0", Milli: 1000}, {Name: "gpu1", Milli: 250}},
		}},
	}
	want := map[string]string{
		"A": "1", "BERTH_REQUEST_ID": "r1", "BERTH_ATTEMPT": "3", "BERTH_WORKER": "w1",
		"BERTH_PORT_HTTP_ADMIN": "20001", "BERTH_PORT_X_Y": "20000", "BERTH_DEVICES": "gpu0,gpu1:250",
		"CUDA_VISIBLE_DEVICES": "GPU-aa,GPU-bb", "NVIDIA_VISIBLE_DEVICES": "GPU-aa,GPU-bb",
	}
	if diff := cmp.Diff(want, task.env(&Options{ID: "w1", DeviceUUIDs: map[string]string{"gpu0": "GPU-aa", "gpu1": "GPU-bb"}})); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if len(request.Env) != 3 {
		t.Error("the submission's own map was changed")
	}
}

func TestTask_Report(t *testing.T) {
	at := time.Unix(100, 0).UTC()
	exit := &berth.Exit{Kind: berth.ExitSignaled, Code: 143, At: at}
	cancel := &berth.StopOrder{Reason: berth.StopCancel}
	tests := []struct {
		name string
		task task
		want berth.Allocation
	}{
		{
			"running",
			task{phase: phaseRunning, startedAt: at, allocation: &berth.Allocation{State: berth.StateStarting}},
			berth.Allocation{State: berth.StateRunning, StartedAt: at},
		},
		{
			"ended before RUNNING was said",
			task{phase: phaseEnded, startedAt: at, exit: exit, allocation: &berth.Allocation{State: berth.StateStarting}},
			berth.Allocation{State: berth.StateExited, StartedAt: at, Exit: exit},
		},
		{
			"dismissed",
			task{phase: phaseEnded, startedAt: at, exit: exit, dismissed: "the agent ends", allocation: &berth.Allocation{State: berth.StateRunning}},
			berth.Allocation{State: berth.StateExited, StartedAt: at, Exit: exit, Stop: &berth.StopOrder{
				Reason: berth.StopDrain, Deadline: at, Message: "the agent ends",
			}},
		},
		{
			"dismissed, but cancelled before",
			task{phase: phaseEnded, startedAt: at, exit: exit, dismissed: "the agent ends", allocation: &berth.Allocation{State: berth.StateRunning, Stop: cancel}},
			berth.Allocation{State: berth.StateExited, StartedAt: at, Exit: exit, Stop: cancel},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.task.report()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}
