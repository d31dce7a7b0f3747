package apiserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Server is an API server with an etcd of its own. There is neither a controller
// manager nor a scheduler nor a node.
type Server struct {
	Admin  *rest.Config // who may do everything
	client *http.Client // of the admin
	etcd   string       // address
}

// Start starts a server, which ends with the test, and waits until it is ready.
// It skips the test where the binaries are missing; see the package. args are
// further arguments of kube-apiserver.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	bin, dir := binaries(t), t.TempDir()
	certificates(t, dir)
	free := ports(t, 3)
	s := &Server{etcd: "http://127.0.0.1:" + free[0]}
	peer := "http://127.0.0.1:" + free[1]
	etcd := run(t, dir, filepath.Join(bin, "etcd"), "--data-dir", filepath.Join(dir, "etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", s.etcd, "--advertise-client-urls", s.etcd, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", "default="+peer)
	etcd.ready(t, func() error { return ok(http.DefaultClient, s.etcd+"/health", "") })

	token := rand.Text()
	must(t, os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(token+",admin,admin,system:masters\n"), 0o600))
	at := func(name string) string { return filepath.Join(dir, name) }
	// A server refuses to advertise a loopback address; nobody connects to this one.
	server := run(t, dir, filepath.Join(bin, "kube-apiserver"), append(args, "--etcd-servers", s.etcd, "--bind-address", "127.0.0.1", "--secure-port", free[2],
		"--advertise-address", "192.0.2.1", "--tls-cert-file", at("server.crt"), "--tls-private-key-file", at("server.key"), "--client-ca-file", at("ca.crt"),
		"--token-auth-file", at("tokens.csv"), "--authorization-mode", "Node,RBAC", "--disable-admission-plugins", "ServiceAccount",
		"--service-cluster-ip-range", serviceRange, "--allow-privileged=true", "--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", at("sa.key"), "--service-account-signing-key-file", at("sa.key"), "--cert-dir", at("certs"),
		"--etcd-compaction-interval", "0", "--profiling=false")...)
	s.Admin = &rest.Config{Host: "https://127.0.0.1:" + free[2], BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAFile: at("ca.crt")}, QPS: -1}
	var err error
	s.client, err = rest.HTTPClientFor(s.Admin)
	must(t, err)
	server.ready(t, func() error { return ok(s.client, s.Admin.Host+"/readyz", "") })
	return s
}

// Send makes a request of JSON as the admin and returns the answer's code and
// body. A PATCH is a merge patch. It may be called by several goroutines.
func (s *Server) Send(ctx context.Context, method, path, body string) (code int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.Admin.Host+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// ok asks for an address, which must answer 200.
func ok(c *http.Client, address, body string) error {
	_, err := fetch(c, address, body)
	return err
}

func fetch(c *http.Client, address, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	response, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", address, response.Status, text)
	}
	return text, err
}

// Kubeconfig writes a kubeconfig for a cluster of a name and returns its path.
// The context has the name of the cluster. A host other than "" stands for the
// server: that of a proxy, which needs no certificate.
func (s *Server) Kubeconfig(t testing.TB, name, token, host string) string {
	t.Helper()
	c := api.NewConfig()
	c.Clusters[name] = &api.Cluster{Server: s.Admin.Host, CertificateAuthority: s.Admin.CAFile}
	if host != "" {
		c.Clusters[name] = &api.Cluster{Server: host}
	}
	c.AuthInfos["user"] = &api.AuthInfo{Token: token}
	c.Contexts[name] = &api.Context{Cluster: name, AuthInfo: "user"}
	c.CurrentContext = name
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(*c, path))
	return path
}

// Compact makes etcd forget all but the present: what was begun to be listed
// before can then not be continued.
func (s *Server) Compact(t testing.TB) {
	t.Helper()
	key := base64.StdEncoding.EncodeToString([]byte("none"))
	text, err := fetch(http.DefaultClient, s.etcd+"/v3/kv/range", `{"key":"`+key+`"}`)
	must(t, err)
	var answer struct{ Header struct{ Revision string } }
	must(t, json.Unmarshal(text, &answer))
	must(t, ok(http.DefaultClient, s.etcd+"/v3/kv/compaction", `{"revision":"`+answer.Header.Revision+`","physical":true}`))
}
