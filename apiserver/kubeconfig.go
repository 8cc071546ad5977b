// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfigs writes those asked for, the administrator's last: whoever
// sees that one may rely on the others.
func writeKubeconfigs(opts options, ca *authority, server string) error {
	admin := clientKubeconfig{path: opts.kubeconfig, user: "lineshaft-admin", groups: []string{user.SystemPrivilegedGroup}}
	for _, client := range append(opts.clients, admin) {
		if err := writeKubeconfig(client, ca, server); err != nil {
			return fmt.Errorf("kubeconfig %s: %w", client.path, err)
		}
	}
	return nil
}

func writeKubeconfig(client clientKubeconfig, ca *authority, server string) error {
	pair, err := ca.issueClient(client.user, client.groups)
	if err != nil {
		return err
	}
	const name = "lineshaft"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca.pem}
	config.AuthInfos[client.user] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.certificate, ClientKeyData: pair.key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: client.user}
	config.CurrentContext = name
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	return writePrivate(client.path, content)
}
