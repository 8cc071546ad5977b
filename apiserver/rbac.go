// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/auth/rbac/reconciliation"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// ensureRBAC makes Kubernetes' own default roles and bindings exist. It does
// what the hook "rbac/bootstrap-roles" does, but at once and in parallel.
func ensureRBAC(ctx context.Context, client kubernetes.Interface) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		err := reconcileRBAC(client)
		if err != nil {
			klog.ErrorS(err, "Default roles not complete yet, trying again")
		}
		return err == nil, nil
	})
}

func reconcileRBAC(client kubernetes.Interface) error {
	var group errgroup.Group
	group.SetLimit(16)

	role := func(role reconciliation.RuleOwner, modifier reconciliation.RuleOwnerModifier) {
		group.Go(func() error {
			reconcile := reconciliation.ReconcileRoleOptions{Role: role, Client: modifier, Confirm: true}
			_, err := reconcile.Run()
			return err
		})
	}
	binding := func(binding reconciliation.RoleBinding, modifier reconciliation.RoleBindingModifier) {
		group.Go(func() error {
			reconcile := reconciliation.ReconcileRoleBindingOptions{RoleBinding: binding, Client: modifier, Confirm: true}
			_, err := reconcile.Run()
			return err
		})
	}

	rbac, namespaces := client.RbacV1(), client.CoreV1().Namespaces()
	for _, owned := range slices.Concat(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()) {
		role(reconciliation.ClusterRoleRuleOwner{ClusterRole: &owned}, reconciliation.ClusterRoleModifier{Client: rbac.ClusterRoles()})
	}
	for _, owned := range slices.Concat(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()) {
		binding(reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: &owned}, reconciliation.ClusterRoleBindingClientAdapter{Client: rbac.ClusterRoleBindings()})
	}
	for _, roles := range bootstrappolicy.NamespaceRoles() {
		for _, owned := range roles {
			role(reconciliation.RoleRuleOwner{Role: &owned}, reconciliation.RoleModifier{Client: rbac, NamespaceClient: namespaces})
		}
	}
	for _, bindings := range bootstrappolicy.NamespaceRoleBindings() {
		for _, owned := range bindings {
			binding(reconciliation.RoleBindingAdapter{RoleBinding: &owned}, reconciliation.RoleBindingClientAdapter{Client: rbac, NamespaceClient: namespaces})
		}
	}
	return group.Wait()
}
