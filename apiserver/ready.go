// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A slow disk or a single core may need long; this long means that it hangs.
const readyLimit = 2 * time.Minute

// waitReady returns once /readyz is ok and the namespace "default" has its
// service account, the last thing that the controllers make.
func waitReady(ctx context.Context, loopback *rest.Config) error {
	client, err := kubernetes.NewForConfig(loopback)
	if err != nil {
		return err
	}
	var missing error
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, readyLimit, true, func(ctx context.Context) (bool, error) {
		missing = client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		if missing == nil {
			_, missing = client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		}
		return missing == nil, nil
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("not ready after %s: %w", readyLimit, missing)
	}
	return err
}
