package serve

import (
	"slices"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What a worker has said of itself is told, as text that a message can hold.
func TestWorkerMessage_Warm(t *testing.T) {
	m := workerMessage(&daemon.WorkerStatus{Worker: berth.Worker{Images: true}, WarmKeys: []string{"model"}, WarmImages: []string{"train:3", "a\xff"}})
	if !m.GetImages() || !slices.Equal(m.GetWarmKeys(), []string{"model"}) || !slices.Equal(m.GetWarmImages(), []string{"train:3", "a?"}) {
		t.Errorf("takes images: %t, has %q, warm %q", m.GetImages(), m.GetWarmImages(), m.GetWarmKeys())
	}
}
