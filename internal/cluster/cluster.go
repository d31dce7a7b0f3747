// Package cluster reads the objects of a live cluster, and saves them to a file
// and reads them from there.
//
// Reading changes nothing: it asks for the server's version, for what it serves,
// and for lists, page by page. Secrets are asked for by their metadata alone:
// that they have a type and values is known, what these are is not. What the
// server does not let be read, or what could not be read in the end, is a gap
// and a problem and changes nothing for the rest.
package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"ullage.dev/ullage/internal/model"
)

// Input is what was read of a cluster.
type Input struct {
	Name   string // of the cluster, in the kubeconfig
	Server string // version of the API server, such as v1.37.2
	Time   time.Time
	// Objects are in the order of their keys.
	Objects []*model.Object
	// Gaps are the kinds that the cluster has and that were not read: those that
	// nothing asks for, without a problem, and those that could not be read.
	Gaps     []model.Gap
	Problems []model.Problem
	// Resources says how many objects of what were read, in order.
	Resources []model.ResourceCount
	// Digest identifies the objects in the versions that were read, and the gaps.
	Digest string
}

// Client reads one cluster.
type Client struct {
	Name   string // of the cluster, in the kubeconfig
	Server string // version of the API server

	config *rest.Config
	http   *http.Client
	base   *url.URL
	pause  time.Duration // before the second attempt; doubled for each further one
}

// Connect finds the cluster of a context and asks for its version. Without a
// kubeconfig it is looked for where kubectl does, and within a cluster the
// service account of the pod is used; without a context it is the current one.
func Connect(ctx context.Context, kubeconfig, kubeContext, userAgent string) (*Client, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext})
	raw, err := loader.RawConfig()
	if err == nil {
		kubeContext = cmp.Or(kubeContext, raw.CurrentContext)
		if err := validate(&raw, kubeContext); err != nil {
			return nil, fmt.Errorf("kubeconfig: %w", err)
		}
	}
	config, err := loader.ClientConfig()
	if err != nil {
		if clientcmd.IsEmptyConfig(err) {
			err = errors.New("no cluster is configured")
		}
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	name := "in-cluster"
	if c := raw.Contexts[kubeContext]; c != nil {
		name = c.Cluster
	}
	config.UserAgent = userAgent
	config.WarningHandler = rest.NoWarnings{}
	return connect(ctx, config, name)
}

func connect(ctx context.Context, config *rest.Config, name string) (*Client, error) {
	c := &Client{Name: name, config: config, pause: 250 * time.Millisecond}
	var err error
	if c.http, err = rest.HTTPClientFor(config); err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	if c.base, _, err = rest.DefaultServerUrlFor(config); err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	var version struct{ GitVersion string }
	if err := c.retry(ctx, attempts, func(ctx context.Context) error {
		return c.get(ctx, "/version", nil, "application/json", func(body io.Reader) error {
			if json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&version) != nil {
				return errAnswer
			}
			return nil
		})
	}); err != nil {
		return nil, &UnreachableError{name, explained(config, err)}
	}
	if _, ok := minor(version.GitVersion); !ok {
		return nil, &UnreachableError{name, errors.New("it says no version of Kubernetes")}
	}
	c.Server = version.GitVersion
	return c, nil
}

// UnreachableError says that nothing could be read of a cluster. It may name the
// host and port that nobody answers at, which people need; it does not quote the
// URL, which may hold a password, nor what the server says.
type UnreachableError struct {
	Cluster string
	Err     error
}

func (e *UnreachableError) Error() string { return "cluster " + e.Cluster + ": " + e.Err.Error() }

func (e *UnreachableError) Unwrap() error { return e.Err }

// Minor returns the minor version of the server.
func (c *Client) Minor() int { n, _ := minor(c.Server); return n }

// Minor returns the minor version of the server.
func (in *Input) Minor() int { n, _ := minor(in.Server); return n }

var versionPattern = regexp.MustCompile(`^v?1\.(\d{1,4})([.+-]|$)`)

func minor(version string) (int, bool) {
	m := versionPattern.FindStringSubmatch(version)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}
