package realetcd_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/integration/realetcd"
)

// put insists: the cluster may be choosing a leader.
func put(t *testing.T, client *clientv3.Client, value string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := client.Put(ctx, "k", value)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("put %s: %v", value, err)
		}
	}
}

// Whichever member is killed or stopped, the others serve; what was written is
// there when all were killed and started again.
func TestCluster_Faults(t *testing.T) {
	t.Parallel()
	c := realetcd.New(t, realetcd.Options{})
	client := c.Client()
	for i := range c.Len() {
		c.Kill(i)
		put(t, client, fmt.Sprintf("without-%d", i))
		c.Start(i)
		c.WaitServes(time.Minute)
	}
	c.Stop(0)
	put(t, client, "one is stopped")
	c.Continue(0)
	for i := range c.Len() {
		c.Kill(i)
	}
	for i := range c.Len() {
		c.Start(i)
	}
	c.WaitServes(time.Minute)
	resp, err := client.Get(t.Context(), "k")
	if err != nil || len(resp.Kvs) != 1 || string(resp.Kvs[0].Value) != "one is stopped" {
		t.Errorf("after all were killed: %v %v", resp, err)
	}
}
