package embed

import (
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

type longText struct{}

func (longText) String() string { return strings.Repeat("ab", 300_000) }

// Of a slow transaction etcd logs all: a line of a log stays one that can be read.
func TestQuieten_Shortens(t *testing.T) {
	core, seen := observer.New(zapcore.DebugLevel)
	var closing atomic.Bool
	log := quieten(zap.New(core), &closing)
	log.With(zap.Stringer("with", longText{})).Warn("slow", zap.String("request", longText{}.String()), zap.Stringer("response", longText{}), zap.String("took", "1s"))
	log.Info("news")
	closing.Store(true)
	log.Warn("closed")
	all := seen.All()
	if len(all) != 1 || all[0].Message != "slow" {
		t.Fatalf("logged %v", all)
	}
	fields := all[0].ContextMap()
	for _, name := range []string{"with", "request", "response"} {
		text, ok := fields[name].(string)
		if !ok || len(text) > maxFieldBytes+100 || !strings.HasSuffix(text, "(600000 bytes in all)") {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
	if fields["took"] != "1s" {
		t.Errorf("took %v", fields["took"])
	}
}
