package embed

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quiet passes on what etcd says from warnings upward, until it is closed: then its
// listeners complain that they were closed. It shortens what is long: of a slow
// transaction etcd logs every operation.
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
	return &quiet{q.Core.With(shorten(fields)), q.closing}
}

func (q *quiet) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !q.Enabled(e.Level) || (q.closing.Load() && e.Level < zapcore.DPanicLevel) {
		return ce
	}
	return ce.AddCore(e, q)
}

func (q *quiet) Write(e zapcore.Entry, fields []zapcore.Field) error {
	return q.Core.Write(e, shorten(fields))
}

// maxFieldBytes is more than anything that a person reads in a line of a log.
const maxFieldBytes = 1024

func shorten(fields []zapcore.Field) []zapcore.Field {
	out := slices.Clone(fields)
	for i, f := range out {
		text := f.String
		if s, ok := f.Interface.(fmt.Stringer); ok && f.Type == zapcore.StringerType {
			text = s.String()
		} else if f.Type != zapcore.StringType {
			continue
		}
		if len(text) > maxFieldBytes {
			text = fmt.Sprintf("%s... (%d bytes in all)", strings.ToValidUTF8(text[:maxFieldBytes], ""), len(text))
			out[i] = zap.String(f.Key, text)
		}
	}
	return out
}
