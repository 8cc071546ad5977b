// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const machineCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: machines.smoke.test}
spec:
  group: smoke.test
  scope: Namespaced
  names: {kind: Machine, plural: machines, singular: machine}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    selectableFields: [{jsonPath: .status.nodeName}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations: [{rule: "self.low <= self.high", message: low exceeds high}]
            properties: {low: {type: integer, default: 0}, high: {type: integer, default: 10}}
          status: {type: object, properties: {nodeName: {type: string}}}
`

// TestAPI checks what the rest of the project relies on, all on one server.
func TestAPI(t *testing.T) {
	viewer := client{filepath.Join(t.TempDir(), "viewer.kubeconfig")}
	s := startServer(t, "--testing", "--client-kubeconfig", viewer.kubeconfig+"=system:test:viewer,viewers")
	admin := s.admin

	// A group of its own, so that the log is read after all of them.
	t.Run("parallel", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"namespace":        func(t *testing.T) { testNamespace(t, admin) },
			"custom resource":  func(t *testing.T) { testCustomResource(t, admin) },
			"conflict":         func(t *testing.T) { testConflict(t, admin) },
			"rbac":             func(t *testing.T) { testRBAC(t, admin, viewer) },
			"admission policy": func(t *testing.T) { testAdmissionPolicy(t, admin) },
			"token":            func(t *testing.T) { testToken(t, admin) },
			"anonymous":        func(t *testing.T) { testAnonymous(t, s.address) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	s.signal(t, syscall.SIGTERM)
	if code := s.state.ExitCode(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if log := s.stderr.String(); log != "" {
		t.Errorf("it has logged, though all was well: %s", log)
	}
}

func testNamespace(t *testing.T, admin client) {
	admin.do(t, "create", "namespace", "short-lived")
	eventually(t, 2*time.Second, "service account default", func() bool {
		_, err := admin.run("", "-n", "short-lived", "get", "serviceaccount", "default")
		return err == nil
	})
	admin.do(t, "-n", "short-lived", "create", "configmap", "content")
	admin.do(t, "delete", "namespace", "short-lived", "--timeout=15s")
}

func testCustomResource(t *testing.T, admin client) {
	const machine = "apiVersion: smoke.test/v1\nkind: Machine\nmetadata: {name: press}\n"
	began := time.Now()
	admin.apply(t, machineCRD, "apply", "-f-")
	admin.do(t, "wait", "--for=condition=Established", "crd/machines.smoke.test", "--timeout=10s")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s until the new kind was established", took)
	}

	admin.refused(t, "low exceeds high", machine+"spec: {low: 11}", "create", "-f-")
	admin.refused(t, `unknown field "spec.hihg"`, machine+"spec: {hihg: 11}", "create", "-f-")
	admin.apply(t, machine+"spec: {low: 1}", "create", "-f-")
	if high := admin.do(t, "get", "machine", "press", "-o=jsonpath={.spec.high}"); high != "10" {
		t.Errorf("default of spec.high: %q", high)
	}

	admin.do(t, "patch", "machine", "press", "--subresource=status", "--type=merge", `-p={"status":{"nodeName":"left"}}`)
	for node, want := range map[string]string{"left": "machine.smoke.test/press\n", "right": ""} {
		if got := admin.do(t, "get", "machines", "-o=name", "--field-selector=status.nodeName="+node); got != want {
			t.Errorf("bound to %s: %q", node, got)
		}
	}

	// The garbage collector learns of a new kind within a few seconds.
	uid := admin.do(t, "get", "machine", "press", "-o=jsonpath={.metadata.uid}")
	admin.apply(t, `
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  ownerReferences: [{apiVersion: smoke.test/v1, kind: Machine, name: press, uid: `+uid+`}]
`, "create", "-f-")
	admin.do(t, "delete", "machine", "press")
	admin.do(t, "wait", "--for=delete", "configmap/owned", "--timeout=10s")
}

func testConflict(t *testing.T, admin client) {
	const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: "
	admin.apply(t, settings+"{speed: fast, by: one}", "apply", "--server-side", "--field-manager=one", "-f-")
	admin.refused(t, `conflict with "one": .data.speed`, settings+"{speed: slow}", "apply", "--server-side", "--field-manager=two", "-f-")
	admin.apply(t, settings+"{speed: slow}", "apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f-")
	if data := admin.do(t, "get", "configmap", "settings", "-o=jsonpath={.data.by},{.data.speed}"); data != "one,slow" {
		t.Errorf("merged data: %s", data)
	}
}

func testRBAC(t *testing.T, admin, viewer client) {
	viewer.refused(t, `User "system:test:viewer" cannot list resource "configmaps"`, "", "get", "configmaps")
	admin.do(t, "create", "rolebinding", "viewers", "--clusterrole=view", "--group=viewers")
	eventually(t, 2*time.Second, "the binding counts", func() bool {
		_, err := viewer.run("", "get", "configmaps")
		return err == nil
	})
	viewer.refused(t, "cannot list resource \"secrets\"", "", "get", "secrets")
	viewer.refused(t, "forbidden", "", "create", "configmap", "mine")

	// The role "view" collects the rules of all roles with its label.
	admin.apply(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: smoke-view, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list]}]
`, "create", "-f-")
	eventually(t, 2*time.Second, "the role is aggregated", func() bool {
		_, err := viewer.run("", "get", "leases")
		return err == nil
	})
}

func testAdmissionPolicy(t *testing.T, admin client) {
	admin.apply(t, `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: only-the-owner}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  matchConditions: [{name: named, expression: "object.metadata.name.startsWith('of-')"}]
  validations:
  - expression: "object.metadata.name == 'of-' + request.userInfo.username"
    messageExpression: "request.userInfo.username + ' does not own this'"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: only-the-owner}
spec: {policyName: only-the-owner, validationActions: [Deny]}
`, "create", "-f-")
	eventually(t, 5*time.Second, "the policy denies", func() bool {
		out, err := admin.run("", "create", "configmap", "of-somebody-else", "--dry-run=server")
		return err != nil && strings.Contains(out, "lineshaft-admin does not own this")
	})
	admin.do(t, "create", "configmap", "of-lineshaft-admin")
}

func testToken(t *testing.T, admin client) {
	token := strings.TrimSpace(admin.do(t, "create", "token", "default"))
	// Not from the kubeconfig: its client certificate would come first.
	who := admin.apply(t, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"`+token+`"}}`,
		"create", "-f-", "-o=jsonpath={.status.user.username}")
	if who != "system:serviceaccount:default:default" {
		t.Errorf("the token belongs to %q", who)
	}
	if answer, _ := admin.run("", "auth", "can-i", "list", "secrets", "--as=system:serviceaccount:default:default"); answer != "no\n" {
		t.Errorf("may list secrets: %q", answer)
	}
}

func testAnonymous(t *testing.T, address string) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	for path, want := range map[string]int{
		"/readyz": http.StatusOK, "/livez": http.StatusOK,
		"/version": http.StatusUnauthorized, "/api": http.StatusUnauthorized, "/metrics": http.StatusUnauthorized,
	} {
		response, err := (&http.Client{Transport: transport}).Get(address + path)
		must(t, err)
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s without an identity: %d", path, response.StatusCode)
		}
	}
}

// A kill at any moment loses nothing, and the next start needs no repair. The
// path is longer than the address of a Unix socket may be.
func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	s := startServer(t, "--data-dir", dir, "--listen", "127.0.0.1:0")
	token := s.admin.do(t, "create", "token", "default")
	s.admin.do(t, "create", "configmap", "kept", "--from-literal=key=value")
	s.signal(t, syscall.SIGKILL)

	s = startServer(t, "--data-dir", dir, "--listen", "127.0.0.1:0")
	if value := s.admin.do(t, "get", "configmap", "kept", "-o=jsonpath={.data.key}"); value != "value" {
		t.Errorf("after the restart: %q", value)
	}
	answer := s.admin.apply(t, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"`+strings.TrimSpace(token)+`"}}`,
		"create", "-f-", "-o=jsonpath={.status.authenticated}")
	if answer != "true" {
		t.Errorf("an older token after the restart: %q", answer)
	}

	message := startFailing(t, "--data-dir", dir, "--listen", "127.0.0.1:0")
	if !strings.Contains(message, "is in use by another lineshaft-apiserver") {
		t.Errorf("second server on the same data: %s", message)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, file := range files {
		info, err := os.Stat(file)
		must(t, err)
		if info.Mode().Type() != os.ModeSocket && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", file, info.Mode())
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))

	for want, args := range map[string][]string{
		taken.Addr().String() + " is in use":     {"--testing", "--listen", taken.Addr().String()},
		"cannot use data directory " + file:      {"--data-dir", filepath.Join(file, "below")},
		"--data-dir is required":                 {},
		"leave out --data-dir":                   {"--testing", "--data-dir", t.TempDir()},
		`for flag -client-kubeconfig: want file`: {"--testing", "--client-kubeconfig", "nobody"},
	} {
		if message := startFailing(t, args...); !strings.Contains(message, want) {
			t.Errorf("%v: %s", args, message)
		}
	}
}

// The lifeline: the kernel closes the pipe when the parent dies, however it dies.
// Whoever uses the kubeconfig while the server starts again shall hear that it
// does not answer, not that there is no cluster.
func TestOldKubeconfigStaysUntilReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "admin.kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte("old"), 0o600))
	data := filepath.Join(dir, "data")
	must(t, os.Mkdir(data, 0o700))
	must(t, os.WriteFile(filepath.Join(data, "ca.pem"), []byte("broken"), 0o600))
	if out, err := exec.Command(apiserverBinary, "--data-dir", data, "--kubeconfig", kubeconfig).CombinedOutput(); err == nil {
		t.Fatalf("started with a broken authority: %s", out)
	}
	content, err := os.ReadFile(kubeconfig)
	must(t, err)
	if string(content) != "old" {
		t.Errorf("replaced by a server that never was ready: %s", content)
	}
}

func TestExitOnStdinClose(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--testing")
	must(t, s.stdin.Close())
	s.waitExit(t)
	if code := s.state.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
