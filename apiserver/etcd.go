// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/url"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// etcdSocket is where the API server reaches etcd. Nothing listens on a port.
func etcdSocket(dir *dataDir) string {
	return "unix://" + dir.socket("etcd.sock")
}

// startEtcd runs a single member and returns once it serves.
func startEtcd(ctx context.Context, dir *dataDir, fsync bool) (*embed.Etcd, error) {
	socket, err := url.Parse(etcdSocket(dir))
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Name = "lineshaft"
	config.Dir = dir.file("etcd")
	config.ListenClientUrls = []url.URL{*socket}
	// A single member has no peers. The advertised addresses keep their
	// defaults: they must look like host:port, and nobody uses them.
	config.ListenPeerUrls = nil
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.EnableGRPCGateway = false
	config.UnsafeNoFsync = !fsync
	// Two log segments are laid out in advance: 32 MB on disk, not 128.
	wal.SegmentSizeBytes = 16 << 20
	// The member elects itself up to five ticks after it starts.
	config.TickMs = 50
	config.ElectionMs = 250
	// At "error" each first start would log a failed migration that is none.
	config.LogLevel = "panic"
	config.LogOutputs = []string{"stderr"}

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("cannot start etcd on %s: %w", config.Dir, err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return nil, fmt.Errorf("etcd: %w", err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
