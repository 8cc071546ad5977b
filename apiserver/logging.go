// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"io"
	"os"

	"google.golang.org/grpc/grpclog"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// klogFlags is the only way to set klog's threshold.
var klogFlags = flag.NewFlagSet("klog", flag.PanicOnError)

// quietLogs leaves nothing on standard error while all is well. Starting, the
// server warns of every API version that it does not serve.
func quietLogs() {
	klog.InitFlags(klogFlags)
	setKlog("logtostderr", "false")
	klog.SetOutput(io.Discard)
	logOnly("ERROR")
	// Each etcd client gives up its first connection when its resolver reports
	// twice, and says so.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, os.Stderr))
	// The server's own clients would repeat the server's own deprecation warnings.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
}

// logOnly sets the least severity that is logged: WARNING, ERROR or FATAL.
func logOnly(severity string) {
	setKlog("stderrthreshold", severity)
}

func setKlog(name, value string) {
	if err := klogFlags.Set(name, value); err != nil {
		panic(err)
	}
}
