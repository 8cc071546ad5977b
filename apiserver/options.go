// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// options are the command line, checked.
type options struct {
	dataDir          string
	listen           string
	kubeconfig       string
	clients          []clientKubeconfig
	testing          bool
	exitOnStdinClose bool
	printVersion     bool
}

// clientKubeconfig asks for a kubeconfig of an identity other than the admin.
type clientKubeconfig struct {
	path   string
	user   string
	groups []string
}

const defaultListen = "127.0.0.1:16443"

// parseOptions writes to help only if the arguments ask for help.
func parseOptions(args []string, help io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("lineshaft-apiserver", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, by the caller
	flags.StringVar(&opts.dataDir, "data-dir", "", "`directory` of everything that lasts: etcd's data, the certificate authority, the service account key")
	flags.StringVar(&opts.listen, "listen", "", "`host:port` to serve HTTPS on; port 0 takes a free one (default "+defaultListen+", with --testing 127.0.0.1:0)")
	flags.StringVar(&opts.kubeconfig, "kubeconfig", "", "`file` to write the administrator's kubeconfig to, once the server is ready")
	flags.Func("client-kubeconfig", "`file=user[,group...]`: also write a kubeconfig for this identity, before the administrator's; repeatable", func(value string) error {
		client, err := parseClientKubeconfig(value)
		opts.clients = append(opts.clients, client)
		return err
	})
	flags.BoolVar(&opts.testing, "testing", false, "keep the data in a temporary directory, without fsync, and remove it at exit")
	flags.BoolVar(&opts.exitOnStdinClose, "exit-on-stdin-close", false, "stop when standard input ends, so as never to outlive the parent that holds its other end")
	flags.BoolVar(&opts.printVersion, "version", false, "print the versions and exit")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			printHelp(flags, help)
		}
		return opts, err
	}
	if opts.listen == "" {
		opts.listen = defaultListen
		if opts.testing {
			opts.listen = "127.0.0.1:0"
		}
	}
	switch {
	case opts.printVersion:
		return opts, nil
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.testing && opts.dataDir != "":
		return opts, errors.New("--testing makes a data directory of its own: leave out --data-dir")
	case !opts.testing && opts.dataDir == "":
		return opts, errors.New("--data-dir is required (or --testing)")
	case opts.kubeconfig == "":
		return opts, errors.New("--kubeconfig is required")
	}
	return opts, nil
}

func printHelp(flags *flag.FlagSet, help io.Writer) {
	fmt.Fprintln(help, "lineshaft-apiserver: Kubernetes' generic control plane and etcd in one process")
	flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(help, "\n  --%s %s\n      %s\n", f.Name, value, usage)
	})
}

// parseClientKubeconfig reads "file=user,group,group". A path may not contain
// "=", a user name may.
func parseClientKubeconfig(value string) (clientKubeconfig, error) {
	path, identity, ok := strings.Cut(value, "=")
	names := strings.Split(identity, ",")
	if !ok || path == "" || names[0] == "" {
		return clientKubeconfig{}, errors.New("want file=user[,group...]")
	}
	return clientKubeconfig{path: path, user: names[0], groups: names[1:]}, nil
}
