package embed

import (
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quiet passes on what etcd says from warnings upward, until it is closed:
// then its listeners complain that they were closed.
type quiet struct {
	zapcore.Core
	closing *atomic.Bool
}

func quieten(log *zap.Logger, closing *atomic.Bool) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return &quiet{c, closing} }))
}

func (q *quiet) Enabled(l zapcore.Level) bool {
	return l >= zapcore.WarnLevel && q.Core.Enabled(l)
}

func (q *quiet) With(fields []zapcore.Field) zapcore.Core {
	return &quiet{q.Core.With(fields), q.closing}
}

func (q *quiet) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !q.Enabled(e.Level) || (q.closing.Load() && e.Level < zapcore.DPanicLevel) {
		return ce
	}
	return q.Core.Check(e, ce)
}
