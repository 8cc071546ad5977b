// SPDX-License-Identifier: Apache-2.0

// lineshaft-apiserver is Kubernetes' generic control plane and etcd in one
// process, for one box and for tests. It wires libraries and decides nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	etcdversion "go.etcd.io/etcd/api/v3/version"
	"golang.org/x/sync/errgroup"
	"k8s.io/component-base/version"
	generic "k8s.io/kubernetes/pkg/controlplane/apiserver/samples/generic/server"
)

const (
	// A stop never takes longer. etcd has every acknowledged write on disk.
	stopLimit = time.Second
	// Starting makes much garbage: collect it once, afterwards.
	startGCPercent = 400
	// A fifth slower than the default, and a third smaller.
	steadyGCPercent = 50
)

func main() {
	opts, err := parseOptions(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fail(err)
	case opts.printVersion:
		fmt.Printf("lineshaft-apiserver: Kubernetes %s, etcd %s, %s\n", version.Get(), etcdversion.Version, runtime.Version())
		return
	}
	quietLogs()
	ctx := lifetime(opts.exitOnStdinClose)

	dir, err := openDataDir(ctx, opts)
	if err == nil {
		err = runUntilStopped(ctx, opts, dir)
		dir.close()
	}
	if err != nil && ctx.Err() == nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "lineshaft-apiserver: %v\n", err)
	os.Exit(1)
}

// runUntilStopped waits for an orderly end only for a moment: open watches
// would hold it up for a minute.
func runUntilStopped(ctx context.Context, opts options, dir *dataDir) error {
	done := make(chan error, 1)
	go func() { done <- run(ctx, opts, dir) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	logOnly("FATAL") // the parts complain of each other's absence
	select {
	case err := <-done:
		return err
	case <-time.After(stopLimit):
		return nil
	}
}

func run(ctx context.Context, opts options, dir *dataDir) error {
	tuneGC := os.Getenv("GOGC") == ""
	if tuneGC {
		debug.SetGCPercent(startGCPercent)
	}
	listener, err := listen(opts.listen)
	if err != nil {
		return err
	}
	ca, err := loadAuthority(dir.file("ca.pem"))
	if err != nil {
		return err
	}

	// Both take a third of a second and do not need each other.
	var (
		starting errgroup.Group
		config   *generic.Config
		etcdGone <-chan error
	)
	starting.Go(func() error {
		etcd, err := startEtcd(ctx, dir, !opts.testing)
		if err == nil {
			etcdGone = etcd.Err()
		}
		return err
	})
	starting.Go(func() (err error) {
		config, err = newConfig(ctx, dir, listener, ca)
		return err
	})
	if err := starting.Wait(); err != nil {
		return err
	}

	server, err := newServer(config)
	if err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	serverGone := make(chan error, 1)
	go func() { serverGone <- prepared.Run(ctx) }()

	ready := make(chan error, 1)
	go func() { ready <- waitReady(ctx, server.GenericAPIServer.LoopbackClientConfig) }()
	for {
		select {
		case err := <-ready:
			if err != nil {
				return err
			}
			address := serverURL(listener)
			if err := writeKubeconfigs(opts, ca, address); err != nil {
				return err
			}
			logOnly("WARNING")
			fmt.Printf("{\"ready\":true,\"address\":%q}\n", address)
			if tuneGC {
				debug.SetGCPercent(steadyGCPercent)
				debug.FreeOSMemory()
			}
		case err := <-etcdGone:
			return fmt.Errorf("etcd ended: %w", err)
		case err := <-serverGone:
			if err == nil && ctx.Err() == nil {
				err = errors.New("the API server ended by itself")
			}
			return err
		}
	}
}
