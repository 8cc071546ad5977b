// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	apiserverBinary = "../target/go/lineshaft-apiserver"
	kubectlBinary   = "../target/go/kubectl"
)

// The tests run the programs that users run, so these must be up to date.
func TestMain(m *testing.M) {
	build := exec.Command("./build.sh")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build.sh:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// server is a running lineshaft-apiserver.
type server struct {
	address string
	admin   client
	process *os.Process
	stdin   io.Closer
	stderr  *output
	exited  chan struct{}
	state   *os.ProcessState
}

// startServer runs the program and waits until it says that it is ready.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{stderr: &output{}, exited: make(chan struct{})}
	kubeconfig := filepath.Join(t.TempDir(), "admin.kubeconfig")
	command := exec.Command(apiserverBinary, append(args, "--kubeconfig", kubeconfig, "--exit-on-stdin-close")...)
	command.Stderr = s.stderr
	stdin, err := command.StdinPipe()
	must(t, err)
	stdout, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	s.stdin, s.process = stdin, command.Process
	t.Cleanup(func() { s.signal(t, syscall.SIGTERM) })

	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	go func() {
		_ = command.Wait()
		s.state = command.ProcessState
		close(s.exited)
	}()
	if err != nil {
		<-s.exited
		t.Fatalf("not ready: %s", s.stderr)
	}
	var ready struct {
		Ready   bool
		Address string
	}
	must(t, json.Unmarshal(line, &ready))
	if !ready.Ready {
		t.Fatalf("first line: %s", line)
	}
	s.address, s.admin = ready.Address, client{kubeconfig}
	return s
}

// signal ends the server and waits until it is gone.
func (s *server) signal(t *testing.T, signal syscall.Signal) {
	_ = s.process.Signal(signal)
	s.waitExit(t)
}

func (s *server) waitExit(t *testing.T) {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(2 * time.Second):
		_ = s.process.Kill()
		t.Error("the server took longer than two seconds to end")
	}
}

// startFailing runs the program with arguments that it must refuse, and
// returns what it says.
func startFailing(t *testing.T, args ...string) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "admin.kubeconfig")
	out, err := exec.Command(apiserverBinary, append(args, "--kubeconfig", kubeconfig)...).CombinedOutput()
	if err == nil {
		t.Fatalf("started with %v", args)
	}
	message := strings.TrimSpace(string(out))
	if strings.Contains(message, "\n") {
		t.Errorf("more than one line: %s", message)
	}
	return message
}

// client is kubectl with the identity of a kubeconfig.
type client struct {
	kubeconfig string
}

func (c client) run(input string, args ...string) (string, error) {
	// A cache directory in the home would remember other servers at this port.
	cache := "--cache-dir=" + filepath.Join(filepath.Dir(c.kubeconfig), "cache")
	command := exec.Command(kubectlBinary, append(args, "--kubeconfig="+c.kubeconfig, cache)...)
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	return string(out), err
}

// do must succeed.
func (c client) do(t *testing.T, args ...string) string {
	t.Helper()
	return c.apply(t, "", args...)
}

// apply must succeed with this manifest on its standard input.
func (c client) apply(t *testing.T, manifest string, args ...string) string {
	t.Helper()
	out, err := c.run(manifest, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), out)
	}
	return out
}

// refused must fail with a message that contains this.
func (c client) refused(t *testing.T, because, manifest string, args ...string) {
	t.Helper()
	out, err := c.run(manifest, args...)
	if err == nil || !strings.Contains(out, because) {
		t.Errorf("kubectl %s: want an error with %q, have (%v): %s", strings.Join(args, " "), because, err, out)
	}
}

// eventually waits for what the server does a moment later.
func eventually(t *testing.T, limit time.Duration, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !check(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// output collects what a process writes while a test may read it.
type output struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.buffer.String()
}
