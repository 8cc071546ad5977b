// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A predecessor that was just told to stop may need this long to let go.
const lockPatience = 3 * time.Second

const testingPrefix = "lineshaft-apiserver-testing-"

// dataDir is the locked directory of everything that lasts. It stays open for
// as long as the process lives: the lock and etcd's socket depend on it.
type dataDir struct {
	path      string
	handle    *os.File
	lock      *os.File
	temporary bool
}

func openDataDir(ctx context.Context, opts options) (*dataDir, error) {
	path := opts.dataDir
	if opts.testing {
		removeStaleTestingDirs()
		temp, err := os.MkdirTemp("", testingPrefix)
		if err != nil {
			return nil, fmt.Errorf("cannot make a temporary data directory: %w", err)
		}
		path = temp
	}
	dir, err := lockDataDir(ctx, path)
	if err != nil {
		return nil, err
	}
	dir.temporary = opts.testing
	return dir, nil
}

func lockDataDir(ctx context.Context, path string) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if err == nil {
		// It holds private keys, also when somebody else made it.
		err = os.Chmod(path, 0o700)
	}
	if err != nil {
		return nil, unusable(path, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(path, err)
	}
	if err := acquire(ctx, lock); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			holder, _ := os.ReadFile(lock.Name())
			err = fmt.Errorf("data directory %s is in use by another lineshaft-apiserver (process %s): stop that one, or choose another --data-dir",
				path, strings.TrimSpace(string(holder)))
		} else if ctx.Err() == nil {
			err = unusable(path, err)
		}
		return nil, errors.Join(err, lock.Close())
	}
	// The process number only serves the message above; the lock is what counts.
	if err := lock.Truncate(0); err != nil {
		return nil, unusable(path, err)
	}
	if _, err := lock.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0); err != nil {
		return nil, unusable(path, err)
	}
	handle, err := os.Open(path)
	if err != nil {
		return nil, unusable(path, err)
	}
	return &dataDir{path: path, handle: handle, lock: lock}, nil
}

func unusable(path string, err error) error {
	var inPath *os.PathError
	if errors.As(err, &inPath) {
		err = inPath.Err // the path is in the message already
	}
	return fmt.Errorf("cannot use data directory %s: %w: choose another --data-dir", path, err)
}

func acquire(ctx context.Context, lock *os.File) error {
	deadline := time.Now().Add(lockPatience)
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *dataDir) file(name string) string {
	return filepath.Join(d.path, name)
}

// socket is a path to a file in the directory that always fits in the 108
// bytes of a Unix socket's address, however deep the directory lies.
func (d *dataDir) socket(name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.handle.Fd(), name)
}

// close removes a temporary directory. A lasting one needs nothing: the lock
// goes with the process.
func (d *dataDir) close() {
	if !d.temporary {
		return
	}
	// etcd may write a last file meanwhile.
	for range 3 {
		if os.RemoveAll(d.path) == nil {
			return
		}
	}
}

// removeStaleTestingDirs removes what testing servers left that were killed.
func removeStaleTestingDirs() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), testingPrefix+"*"))
	for _, path := range found {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue // perhaps about to be locked by its maker
		}
		lock, err := os.Open(filepath.Join(path, "lock"))
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(path)
		}
		_ = lock.Close()
	}
}
