// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	serviceaccountcontroller "k8s.io/kubernetes/pkg/controller/serviceaccount"
)

const (
	workers = 5
	// How soon the garbage collector knows of a new kind; usually it asks every
	// half minute.
	discoveryPeriod = 3 * time.Second
	namespaceResync = 5 * time.Minute
	syncLimit       = 30 * time.Second
)

// bootstrap makes the default roles, then starts those of Kubernetes' own
// controllers that an API without pods needs: deletion of namespaces, deletion
// of owned objects, the service account "default", and the roles admin, edit
// and view. They act under their usual names and with their usual rights.
func bootstrap(shared informers.SharedInformerFactory) genericapiserver.PostStartHookFunc {
	return func(hook genericapiserver.PostStartHookContext) error {
		client, err := kubernetes.NewForConfig(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		if err := ensureRBAC(hook, client); err != nil {
			return err
		}
		informersStarted := make(chan struct{})
		defer close(informersStarted)
		for _, start := range []func() error{
			func() error { return startNamespaces(hook, identity(hook, "namespace-controller"), shared) },
			func() error { return startServiceAccounts(hook, identity(hook, "service-account-controller"), shared) },
			func() error {
				return startRoleAggregation(hook, identity(hook, "clusterrole-aggregation-controller"), shared)
			},
			func() error {
				return startGarbageCollector(hook, identity(hook, "generic-garbage-collector"), shared, informersStarted)
			},
		} {
			if err := start(); err != nil {
				return err
			}
		}
		shared.Start(hook.Done())
		return nil
	}
}

// identity lets a controller act as the service account that the default roles
// are bound to, so that policies see here the same user as on a cluster.
func identity(hook genericapiserver.PostStartHookContext, controller string) *rest.Config {
	config := rest.AddUserAgent(rest.CopyConfig(hook.LoopbackClientConfig), controller)
	config.Impersonate.UserName = serviceaccount.MakeUsername("kube-system", controller)
	return config
}

func startNamespaces(ctx context.Context, config *rest.Config, shared informers.SharedInformerFactory) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	controller := namespace.NewNamespaceController(ctx, client, metadataClient,
		client.Discovery().ServerPreferredNamespacedResources,
		shared.Core().V1().Namespaces(), namespaceResync, corev1.FinalizerKubernetes)
	go controller.Run(ctx, workers)
	return nil
}

func startServiceAccounts(ctx context.Context, config *rest.Config, shared informers.SharedInformerFactory) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	controller, err := serviceaccountcontroller.NewServiceAccountsController(
		shared.Core().V1().ServiceAccounts(), shared.Core().V1().Namespaces(), client,
		serviceaccountcontroller.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return err
	}
	go controller.Run(ctx, 1)
	return nil
}

func startRoleAggregation(ctx context.Context, config *rest.Config, shared informers.SharedInformerFactory) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	controller := clusterroleaggregation.NewClusterRoleAggregation(shared.Rbac().V1().ClusterRoles(), client.RbacV1())
	go controller.Run(ctx, workers)
	return nil
}

func startGarbageCollector(ctx context.Context, config *rest.Config, shared informers.SharedInformerFactory, informersStarted <-chan struct{}) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discoveryClient))
	objects := informerfactory.NewInformerFactory(shared, metadatainformer.NewSharedInformerFactory(metadataClient, 0))
	collector, err := garbagecollector.NewGarbageCollector(ctx, client, metadataClient, mapper,
		garbagecollector.DefaultIgnoredResources(), objects, informersStarted)
	if err != nil {
		return err
	}
	go collector.Run(ctx, workers, syncLimit)
	go collector.Sync(ctx, discoveryClient, discoveryPeriod)
	return nil
}
