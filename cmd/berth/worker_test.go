package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/berthd/berth/etcdstore"
)

// Who waits for a store says where it looks for it, and what to do.
func TestWaitForStore_Tells(t *testing.T) {
	t.Parallel()
	const nowhere = "http://127.0.0.1:1"
	client, err := etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{nowhere}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // it never connected
	store, err := etcdstore.New(client, etcdstore.Options{TxnTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	core, logged := observer.New(zapcore.WarnLevel)
	log := zap.New(core, zap.Hooks(func(zapcore.Entry) error { stop(); return nil }))
	err = waitForStore(ctx, newApp(), store, client.Endpoints(), log)
	if err == nil || !strings.Contains(err.Error(), "open the store at "+nowhere) {
		t.Errorf("told to end, it says %v", err)
	}
	said := logged.All()
	if len(said) == 0 {
		t.Fatal("it says nothing")
	}
	with := said[0].ContextMap()
	if hint, _ := with["hint"].(string); fmt.Sprint(with["endpoints"]) != "["+nowhere+"]" || !strings.Contains(hint, "is etcd up, and are --etcd-endpoints") {
		t.Errorf("it says %v", with)
	}
}
