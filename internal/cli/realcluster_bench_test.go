//go:build integration

package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"

	"ullage.dev/ullage/test/apiserver"
)

// BenchmarkRealCluster reads and judges 10,000 pods of 2,000 Deployments in 100
// namespaces with the built program, and reports its CPU and peak memory.
func BenchmarkRealCluster(b *testing.B) {
	server := apiserver.Start(b)
	client, err := rest.HTTPClientFor(server.Admin)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, server.Admin.Host, client)
	program := filepath.Join(b.TempDir(), "ullage")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, "../../cmd/ullage").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	config := server.Kubeconfig(b, "large", server.Admin.BearerToken, "")
	saved := filepath.Join(b.TempDir(), "saved.gz")
	for _, c := range []struct {
		name string
		args []string
	}{
		{"recommended", []string{"--cluster", "--kubeconfig", config}},
		{"all", []string{"--cluster", "--kubeconfig", config, "--profile", "all"}},
		{"save", []string{"--cluster", "--kubeconfig", config, "--save", saved}},
		{"from", []string{"--from", saved}},
	} {
		b.Run(c.name, func(b *testing.B) {
			cpu, peak := 0.0, 0.0
			for b.Loop() {
				cmd := exec.Command(program, append([]string{"check", "-o", "json", "--fail-on", "never"}, c.args...)...)
				var out bytes.Buffer
				cmd.Stdout = &out
				cmd.Stderr = os.Stderr
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
				if m := judgedWorkloads.FindStringSubmatch(out.String()); m == nil || m[1] != "2000" {
					b.Fatalf("workloads judged: %q, want 2000", m)
				}
				usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
				cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
				peak = max(peak, float64(usage.Maxrss)/1024)
			}
			b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
			b.ReportMetric(peak, "peak-MB")
		})
	}
}

var judgedWorkloads = regexp.MustCompile(`"workloads": *(\d+)`)

// fill creates the objects.
func fill(b *testing.B, host string, client *http.Client) {
	b.Helper()
	objects := make(chan func(create func(path, object string) string))
	var wg sync.WaitGroup
	var failed atomic.Pointer[string]
	for range 16 {
		wg.Go(func() {
			for do := range objects {
				do(func(path, object string) string { return post(client, host+path, object, &failed) })
			}
		})
	}
	for n := range 100 {
		objects <- func(create func(path, object string) string) { fillNamespace(fmt.Sprintf("team-%d", n), n, create) }
	}
	close(objects)
	wg.Wait()
	if why := failed.Load(); why != nil {
		b.Fatal(*why)
	}
}

// post creates an object and returns its uid.
func post(client *http.Client, address, object string, failed *atomic.Pointer[string]) string {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, strings.NewReader(object))
	if err == nil {
		r.Header.Set("Content-Type", "application/json")
		var answer *http.Response
		if answer, err = client.Do(r); err == nil {
			defer answer.Body.Close()
			var text bytes.Buffer
			if _, err = text.ReadFrom(answer.Body); err == nil && answer.StatusCode >= 300 {
				err = fmt.Errorf("%d %s", answer.StatusCode, text.String())
			}
			_, rest, _ := strings.Cut(text.String(), `"uid":"`)
			uid, _, _ := strings.Cut(rest, `"`)
			if err == nil {
				return uid
			}
		}
	}
	why := address + ": " + err.Error()
	failed.Store(&why)
	return ""
}

// fillNamespace creates what one team has: 20 Deployments of 5 pods each, and
// what belongs to them.
func fillNamespace(ns string, n int, create func(path, object string) string) {
	in := "/namespaces/" + ns
	create("/api/v1/namespaces", `{"metadata": {"name": "`+ns+`", "labels": {"team": "`+ns+`"}}}`)
	create("/api/v1"+in+"/serviceaccounts", `{"metadata": {"name": "app"}}`)
	create("/apis/networking.k8s.io/v1"+in+"/networkpolicies", `{"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}`)
	create("/apis/rbac.authorization.k8s.io/v1"+in+"/roles", `{"metadata": {"name": "app"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]}`)
	create("/apis/rbac.authorization.k8s.io/v1"+in+"/rolebindings", `{"metadata": {"name": "app"}, "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "`+ns+
		`"}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "app"}}`)
	for i := range 20 {
		name := fmt.Sprintf("app-%d", i)
		create("/api/v1"+in+"/configmaps", `{"metadata": {"name": "`+name+`"}, "data": {"config.yaml": "`+strings.Repeat("key: value\\n", 20+n+i)+`"}}`)
		create("/api/v1"+in+"/secrets", `{"metadata": {"name": "`+name+`"}, "stringData": {"password": "none"}}`)
		create("/api/v1"+in+"/services", `{"metadata": {"name": "`+name+`"}, "spec": {"selector": {"app": "`+name+`"}, "ports": [{"port": 80, "targetPort": "http"}]}}`)
		spec := func(pod string) string {
			volumes, mounts := "", ""
			if pod != "" {
				volumes = `, {"name": "kube-api-access-` + pod + `", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
					{"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}`
				mounts = `, {"name": "kube-api-access-` + pod + `", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}`
			}
			container := func(c string) string {
				return fmt.Sprintf(`{"name": %q, "image": "registry.example/%s/%s:%d.%d", "ports": [{"name": %q, "containerPort": 8080}], "env": [{"name": "MODE", "value": "%d"},
					{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": %q, "key": "password"}}}], "resources": {"requests": {"cpu": "%dm", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
					"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}}, "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
					"securityContext": {"allowPrivilegeEscalation": false, "runAsUser": %d}, "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}%s]}`,
					c, ns, name, n, i, map[bool]string{true: "http", false: "metrics"}[c == "app"], n*i, name, 10+n, 1000+i, mounts)
			}
			return `{"serviceAccountName": "app", "containers": [` + container("app") + `, ` + container("metrics") + `], "volumes": [{"name": "config", "configMap": {"name": "` + name + `"}}` + volumes + `]}`
		}
		template := `"selector": {"matchLabels": {"app": "` + name + `"}}, "replicas": 5, "template": {"metadata": {"labels": {"app": "` + name + `"}}, "spec": ` + spec("") + `}`
		owner := func(kind, owner, uid string) string {
			return `"labels": {"app": "` + name + `"}, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "` + kind + `", "name": "` + owner + `", "uid": "` + uid + `", "controller": true}]`
		}
		deployment := create("/apis/apps/v1"+in+"/deployments", `{"metadata": {"name": "`+name+`"}, "spec": {`+template+`}}`)
		set := create("/apis/apps/v1"+in+"/replicasets", `{"metadata": {"name": "`+name+`-7d9f", `+owner("Deployment", name, deployment)+`}, "spec": {`+template+`}}`)
		for p := range 5 {
			pod := fmt.Sprintf("%s-7d9f-%d", name, p)
			create("/api/v1"+in+"/pods", `{"metadata": {"name": "`+pod+`", `+owner("ReplicaSet", name+"-7d9f", set)+`}, "spec": `+strings.Replace(spec(fmt.Sprint(p)), `{"serviceAccountName"`, fmt.Sprintf(`{"nodeName": "node-%d", "serviceAccountName"`, (n*5+p)%100), 1)+`}`)
		}
	}
}
