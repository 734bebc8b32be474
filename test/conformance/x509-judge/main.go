// Judges certificate chains with Go's crypto/x509 and with go-spiffe: a JSON list of chains in, a list of verdicts out, in order. None of
// the project's own code is involved; what is judged here is what other people's proxies and agents would say.
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

type chain struct {
	Leaf          string   `json:"leaf"`
	Intermediates []string `json:"intermediates"`
	Roots         []string `json:"roots"`
	// Epoch ms.
	Now      int64  `json:"now"`
	SpiffeID string `json:"spiffeId"`
}

// Empty: accepted.
type verdict struct {
	Go     string `json:"go"`
	Spiffe string `json:"spiffe"`
}

func main() {
	var chains []chain
	if err := json.NewDecoder(os.Stdin).Decode(&chains); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verdicts := make([]verdict, 0, len(chains))
	for _, each := range chains {
		verdicts = append(verdicts, verdict{Go: words(byGo(each)), Spiffe: words(bySpiffe(each))})
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		os.Exit(1)
	}
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func byGo(given chain) error {
	leaf, intermediates, roots, err := parse(given)
	if err != nil {
		return err
	}
	between, trusted := x509.NewCertPool(), x509.NewCertPool()
	for _, each := range intermediates {
		between.AddCert(each)
	}
	for _, each := range roots {
		trusted.AddCert(each)
	}
	// A list of usages means any of them: a workload is both.
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots:         trusted,
			Intermediates: between,
			CurrentTime:   time.UnixMilli(given.Now),
			KeyUsages:     []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func bySpiffe(given chain) error {
	leaf, intermediates, roots, err := parse(given)
	if err != nil {
		return err
	}
	wanted, err := spiffeid.FromString(given.SpiffeID)
	if err != nil {
		return err
	}
	bundle := x509bundle.FromX509Authorities(wanted.TrustDomain(), roots)
	found, _, err := x509svid.Verify(append([]*x509.Certificate{leaf}, intermediates...), bundle, x509svid.WithTime(time.UnixMilli(given.Now)))
	if err != nil {
		return err
	}
	if found != wanted {
		return fmt.Errorf("it is the certificate of %s", found)
	}
	return nil
}

func parse(given chain) (*x509.Certificate, []*x509.Certificate, []*x509.Certificate, error) {
	leaf, err := certificate(given.Leaf)
	if err != nil {
		return nil, nil, nil, err
	}
	intermediates, err := certificates(given.Intermediates)
	if err != nil {
		return nil, nil, nil, err
	}
	roots, err := certificates(given.Roots)
	return leaf, intermediates, roots, err
}

func certificates(all []string) ([]*x509.Certificate, error) {
	var read []*x509.Certificate
	for _, each := range all {
		one, err := certificate(each)
		if err != nil {
			return nil, err
		}
		read = append(read, one)
	}
	return read, nil
}

func certificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
