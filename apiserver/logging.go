// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"io"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// quietLogs leaves warnings and errors on standard error, nothing else.
func quietLogs() {
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{
		"logtostderr":     "false",
		"stderrthreshold": "WARNING",
	} {
		if err := flags.Set(name, value); err != nil {
			panic(err)
		}
	}
	klog.SetOutput(io.Discard)
	// The server's own clients would repeat the server's own deprecation warnings.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
}
