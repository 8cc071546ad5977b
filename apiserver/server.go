// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	aggregator "k8s.io/kube-aggregator/pkg/apiserver"
	controlplane "k8s.io/kubernetes/pkg/controlplane/apiserver/options"
	generic "k8s.io/kubernetes/pkg/controlplane/apiserver/samples/generic/server"
	"k8s.io/kubernetes/pkg/kubeapiserver/authorizer/modes"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"
)

// Tokens of service accounts name their issuer; it may never change.
const serviceAccountIssuer = "https://kubernetes.default.svc"

// authenticationConfig lets a client without an identity ask whether the server
// is well, and nothing else.
const authenticationConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions: [{path: /healthz}, {path: /livez}, {path: /readyz}]
`

// newConfig is Kubernetes' generic control plane (no pods, nodes, services or
// workloads), set up for one server on one box.
func newConfig(ctx context.Context, dir *dataDir, listener net.Listener, ca *authority) (*generic.Config, error) {
	opts, err := serverOptions(dir, listener, ca)
	if err != nil {
		return nil, err
	}
	completed, err := opts.Complete(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, utilerrors.NewAggregate(errs)
	}
	config, err := generic.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	// There is one API server. With more, each new CustomResourceDefinition
	// would wait five seconds for the others.
	config.APIExtensions.ExtraConfig.MasterCount = 1
	config.ControlPlane.Generic.DisabledPostStartHooks.Insert(
		// Replaced by ours, which does not begin with a second's sleep.
		rbacrest.PostStartHookName,
		// Keeps track of service account tokens in secrets; nothing makes those here.
		"start-legacy-token-tracking-controller",
	)
	return config, nil
}

func serverOptions(dir *dataDir, listener net.Listener, ca *authority) (*controlplane.Options, error) {
	serving, err := ca.issueServer(listener)
	if err != nil {
		return nil, err
	}
	servingFile := dir.file("serving.pem")
	if err := writePrivate(servingFile, slices.Concat(serving.key, serving.certificate)); err != nil {
		return nil, err
	}
	clientCA, err := dynamiccertificates.NewStaticCAContent("client authority", ca.pem)
	if err != nil {
		return nil, err
	}
	authenticationFile := dir.file("authentication.yaml")
	if err := writePrivate(authenticationFile, []byte(authenticationConfig)); err != nil {
		return nil, err
	}
	serviceAccountKey := dir.file("service-account.pem")
	if err := ensureServiceAccountKey(serviceAccountKey); err != nil {
		return nil, err
	}

	opts := generic.NewOptions()
	opts.Etcd.StorageConfig.Transport.ServerList = []string{etcdSocket(dir)}

	address := listener.Addr().(*net.TCPAddr)
	opts.SecureServing.Listener = listener
	opts.SecureServing.BindAddress = address.IP
	opts.SecureServing.BindPort = address.Port
	opts.SecureServing.ServerCert.CertKey.CertFile = servingFile
	opts.SecureServing.ServerCert.CertKey.KeyFile = servingFile
	// Otherwise it looks for a default route, which a box alone may not have.
	opts.SecureServing.ExternalAddress = net.IPv4(127, 0, 0, 1)
	opts.GenericServerRunOptions.AdvertiseAddress = net.IPv4(127, 0, 0, 1)
	opts.GenericServerRunOptions.ExternalHost = "localhost"

	opts.Authentication.ClientCert.CAContentProvider = clientCA
	opts.Authentication.AuthenticationConfigFile = authenticationFile
	opts.Authentication.ServiceAccounts.Issuers = []string{serviceAccountIssuer}
	opts.Authentication.ServiceAccounts.KeyFiles = []string{serviceAccountKey}
	opts.ServiceAccountSigningKeyFile = serviceAccountKey
	opts.Authorization.Modes = []string{modes.ModeRBAC}

	// Fair queueing between tenants is for shared servers. Without it the plain
	// limits of requests in flight hold, and its objects need no upkeep.
	opts.Features.EnablePriorityAndFairness = false
	opts.APIEnablement.RuntimeConfig["flowcontrol.apiserver.k8s.io/v1"] = "false"
	// The identity lease tells API servers of each other and is written every
	// ten seconds. There is no other.
	if err := utilfeature.DefaultMutableFeatureGate.Set("APIServerIdentity=false"); err != nil {
		return nil, err
	}
	return opts, opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set()
}

// newServer chains the three servers of Kubernetes (custom resources, built-in
// resources, aggregation) and adds what must have happened before it is ready.
func newServer(config *generic.Config) (*aggregator.APIAggregator, error) {
	completed, err := config.Complete()
	if err != nil {
		return nil, err
	}
	server, err := generic.CreateServerChain(completed)
	if err != nil {
		return nil, err
	}
	// How long a stop may wait for open watches.
	server.GenericAPIServer.ShutdownTimeout = 300 * time.Millisecond

	err = server.GenericAPIServer.AddPostStartHook("lineshaft-bootstrap", bootstrap(config.ControlPlane.VersionedInformers))
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	return server, nil
}
