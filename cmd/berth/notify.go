package main

import (
	"context"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// notify tells the service manager how the process stands, if there is one.
func notify(log *zap.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn("service manager not told", zap.String("state", state), zap.Error(err))
	}
}

// keepWatchdog tells the service manager, as often as it asks for, that check
// succeeds. While it fails, nothing is told, and the process is restarted.
func keepWatchdog(ctx context.Context, log *zap.Logger, check func(context.Context) error) {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		bounded, cancel := context.WithTimeout(ctx, every/3)
		if err := check(bounded); err == nil {
			notify(log, systemd.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			log.Error("watchdog check failed", zap.Error(err))
		}
		cancel()
	}
}
