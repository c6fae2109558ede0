package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"
)

// untilSignal returns a context that ends with the first SIGINT or SIGTERM, and
// a channel that is closed by the second.
func untilSignal(parent context.Context) (_ context.Context, again <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2) // a second one, while the first is taken, waits
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	second, done := make(chan struct{}), make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case <-signals:
			close(second)
		case <-done:
		}
	}()
	return ctx, second, sync.OnceFunc(func() {
		signal.Stop(signals)
		cancel()
		close(done)
	})
}

// byCtrlC says whether a context of untilSignal was ended by a signal.
func byCtrlC(ctx context.Context, c *cli.Context) bool {
	return ctx.Err() != nil && c.Context.Err() == nil
}

// afterCtrlC gives the error of a verb that a signal has ended the exit code of that, where it has none of its own.
func afterCtrlC(ctx context.Context, c *cli.Context, err error) error {
	if _, has := errors.AsType[*exitError](err); err == nil || has || !byCtrlC(ctx, c) {
		return err
	}
	return &exitError{exitInterrupted, err}
}

// untilHangup calls before and ends the context with the first SIGHUP.
func untilHangup(parent context.Context, before func()) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1) // one is enough
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			before()
			cancel()
		case <-done:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		cancel()
		close(done)
	})
}
