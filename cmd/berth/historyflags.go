package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// historyFlags say how much of the store's past is kept.
func historyFlags() []cli.Flag {
	return []cli.Flag{
		durationFlag("history-age", daemon.DefaultHistoryAge, "`DURATION` for which the store's past can be asked about (explain --at, replay), a minute to a week"),
		stringFlag("history-bytes", "512MiB", "`BYTES` that it may take, and a quarter of the store's quota at most"),
	}
}

func historyOf(c *cli.Context) (daemon.History, error) {
	h := daemon.History{MaxAge: c.Duration("history-age")}
	if h.MaxAge < daemon.HistoryAgeLeast || h.MaxAge > daemon.HistoryAgeMost {
		return h, &berth.FieldError{
			Field: "history-age", Value: h.MaxAge.String(), Problem: "is out of range",
			Bound: fmt.Sprintf("%s to %s", daemon.HistoryAgeLeast, daemon.HistoryAgeMost),
		}
	}
	const most = 1 << 50
	var err error
	if h.MaxBytes, err = parseBytes("history-bytes", c.String("history-bytes"), most); err != nil {
		return h, err
	}
	if h.MaxBytes < daemon.HistoryBytesLeast {
		return h, &berth.FieldError{
			Field: "history-bytes", Value: c.String("history-bytes"), Problem: "is too little",
			Bound: "at least " + humanize.IBytes(daemon.HistoryBytesLeast),
		}
	}
	return h, nil
}
