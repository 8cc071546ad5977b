// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// lifetime is a context that ends with SIGTERM, SIGINT or, if asked, with the
// end of standard input. The kernel closes the parent's end of that pipe also
// when the parent is killed. A second signal ends the process at once.
func lifetime(exitOnStdinClose bool) context.Context {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(1)
	}()
	if exitOnStdinClose {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	return ctx
}
