// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	day = 24 * time.Hour
	// The authority's key lies beside what it signs, under the same lock and
	// key, so short lives would protect nothing and only stop a plant that has
	// run for long. Every start issues new certificates.
	authorityLife   = 20 * 365 * day
	certificateLife = 5 * 365 * day
	// Allows for a clock that was behind at the last start.
	backdate = 7 * day
)

// authority signs the server's and all clients' certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte // the certificate only
}

// keyPair is a PEM certificate and its PEM key.
type keyPair struct {
	certificate, key []byte
}

// loadAuthority reads the authority, or makes one at the first start. Key and
// certificate are one file, so that there are always both or none.
func loadAuthority(path string) (*authority, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		content, err = newAuthority()
		if err == nil {
			err = writePrivate(path, content)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	pair, err := tls.X509KeyPair(content, content)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", path, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("certificate authority %s: not an ECDSA key", path)
	}
	return &authority{certificate: pair.Leaf, key: key, pem: encodeCertificate(pair.Leaf.Raw)}, nil
}

func newAuthority() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := newTemplate(pkix.Name{CommonName: "lineshaft-apiserver"}, authorityLife)
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	encodedKey, err := encodeKey(key)
	return append(encodedKey, encodeCertificate(der)...), err
}

// issueClient makes a certificate that Kubernetes reads as this user in these groups.
func (a *authority) issueClient(user string, groups []string) (keyPair, error) {
	template := newTemplate(pkix.Name{CommonName: user, Organization: groups}, certificateLife)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(template)
}

// issueServer makes the certificate of a server that listens on this address.
func (a *authority) issueServer(listener net.Listener) (keyPair, error) {
	template := newTemplate(pkix.Name{CommonName: "lineshaft-apiserver"}, certificateLife)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if host, err := os.Hostname(); err == nil {
		template.DNSNames = append(template.DNSNames, host)
	}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	listenIP := listener.Addr().(*net.TCPAddr).IP
	if !listenIP.IsUnspecified() {
		template.IPAddresses = append(template.IPAddresses, listenIP)
	} else if addresses, err := net.InterfaceAddrs(); err == nil {
		for _, address := range addresses {
			if network, ok := address.(*net.IPNet); ok {
				template.IPAddresses = append(template.IPAddresses, network.IP)
			}
		}
	}
	return a.issue(template)
}

func (a *authority) issue(template *x509.Certificate) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return keyPair{}, err
	}
	encodedKey, err := encodeKey(key)
	return keyPair{certificate: encodeCertificate(der), key: encodedKey}, err
}

func newTemplate(subject pkix.Name, life time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's random numbers do not fail
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(life),
	}
}

// ensureServiceAccountKey makes the key that signs service account tokens, at
// the first start. Tokens outlive the process, so the key does too.
func ensureServiceAccountKey(path string) error {
	content, err := os.ReadFile(path)
	if err == nil && bytes.Contains(content, []byte("PRIVATE KEY")) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("service account key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	content, err = encodeKey(key)
	if err != nil {
		return err
	}
	if err := writePrivate(path, content); err != nil {
		return fmt.Errorf("service account key: %w", err)
	}
	return nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}
