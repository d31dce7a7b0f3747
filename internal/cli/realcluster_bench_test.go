//go:build integration

package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"

	"ullage.dev/ullage/test/apiserver"
)

// mostMemory is the peak that no command may exceed over 10,000 pods.
const mostMemory = 300 // MB, pages of the program's own file included

// BenchmarkRealCluster asks every question of 10,000 pods of 2,000 Deployments in
// 100 namespaces with the built program, once of the live cluster and once of what
// was saved. It reports CPU and peak memory, and fails above the bar of memory.
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
	saved := filepath.Join(b.TempDir(), "saved.gz")
	live := []string{"--cluster", "--kubeconfig", server.Kubeconfig(b, "large", server.Admin.BearerToken, "")}
	b.Run("save", func(b *testing.B) {
		measured(b, program, strings.Fields("check -o json --fail-on never --save "+saved), live, `"workloads": *2000\b`)
	})
	for _, c := range []struct{ name, args, want string }{
		{"check", "check -o json --fail-on never", `"workloads": *2000\b`},
		{"check all rules", "check -o json --fail-on never --profile all", `"workloads": *2000\b`},
		{"storage", "storage -o json", `files\.example:/team-99`},
		{"secrets", "secrets -o json", `"team-99"`},
		{"net exposed", "net exposed", `team-99/app-0`},
		{"net list", "net list", `team-99/app-1`},
		{"net list each pair", "net list --exhaustive", `team-99/app-19`},
		{"access dangers", "access dangers -o json", `sa:team-98/app`},
		{"attack-paths", "attack-paths", `team-0/app-0`},
		{"attack-paths from any pod", "attack-paths --start any", `paths?`},
	} {
		for _, from := range []struct {
			name string
			args []string
		}{{"live", live}, {"saved", []string{"--from", saved}}} {
			b.Run(strings.ReplaceAll(c.name, " ", "-")+"/"+from.name, func(b *testing.B) {
				measured(b, program, strings.Fields(c.args), from.args, c.want)
			})
		}
	}
}

// measured runs a command, and reports what it took.
func measured(b *testing.B, program string, command, from []string, want string) {
	answer := regexp.MustCompile(want)
	cpu, peak := 0.0, 0.0
	for b.Loop() {
		cmd := exec.Command(program, append(slices.Clone(command), from...)...)
		// Into files: a process begins with the peak of the one that starts it.
		out, err := os.Create(filepath.Join(b.TempDir(), "out"))
		if err != nil {
			b.Fatal(err)
		}
		var told bytes.Buffer
		cmd.Stdout, cmd.Stderr = out, &told
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > exitFindings || cmd.ProcessState.ExitCode() < 0 {
			b.Fatalf("%v: %s", err, told.String())
		}
		out.Close()
		text, err := os.Open(out.Name())
		if err != nil {
			b.Fatal(err)
		}
		if !answer.MatchReader(bufio.NewReader(text)) {
			b.Fatalf("the answer holds no %s", want)
		}
		text.Close()
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		peak = max(peak, float64(usage.Maxrss)/1024)
	}
	b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
	b.ReportMetric(peak, "peak-MB")
	if peak > mostMemory {
		b.Errorf("%s: %.0f MB, at most %d", strings.Join(command, " "), peak, mostMemory)
	}
}

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
// what belongs to them, mistakes included.
func fillNamespace(ns string, n int, create func(path, object string) string) {
	in := "/namespaces/" + ns
	create("/api/v1/namespaces", `{"metadata": {"name": "`+ns+`", "labels": {"team": "`+ns+`"}}}`)
	create("/api/v1"+in+"/serviceaccounts", `{"metadata": {"name": "app"}}`)
	create("/apis/networking.k8s.io/v1"+in+"/networkpolicies", `{"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}`)
	rights := `{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}`
	if n%2 == 0 {
		rights += `, {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "create"]}`
	}
	create("/apis/rbac.authorization.k8s.io/v1"+in+"/roles", `{"metadata": {"name": "app"}, "rules": [`+rights+`]}`)
	create("/apis/rbac.authorization.k8s.io/v1"+in+"/rolebindings", `{"metadata": {"name": "app"}, "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "`+ns+
		`"}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "app"}}`)
	if n == 0 {
		create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{"metadata": {"name": "admins"}, "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "`+ns+
			`"}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}}`)
	}
	for i := range 20 {
		name := fmt.Sprintf("app-%d", i)
		create("/api/v1"+in+"/configmaps", `{"metadata": {"name": "`+name+`"}, "data": {"config.yaml": "`+strings.Repeat("key: value\\n", 20+n+i)+`"}}`)
		create("/api/v1"+in+"/secrets", `{"metadata": {"name": "`+name+`"}, "stringData": {"password": "none"}}`)
		kind := map[bool]string{true: "LoadBalancer", false: "ClusterIP"}[i == 0]
		create("/api/v1"+in+"/services", `{"metadata": {"name": "`+name+`"}, "spec": {"type": "`+kind+`", "selector": {"app": "`+name+`"}, "ports": [{"port": 80, "targetPort": "http"}]}}`)
		if i%2 == 1 {
			create("/apis/networking.k8s.io/v1"+in+"/networkpolicies", fmt.Sprintf(`{"metadata": {"name": %q}, "spec": {"podSelector": {"matchLabels": {"app": %[1]q}}, "ingress": [{"ports": [{"port": 8080}],
				"from": [{"podSelector": {"matchLabels": {"app": "app-%d"}}}, {"namespaceSelector": {"matchLabels": {"team": "team-%d"}}}]}]}}`, name, i-1, (n+1)%100))
		}
		if i == 0 {
			create("/apis/networking.k8s.io/v1"+in+"/networkpolicies", `{"metadata": {"name": "front"}, "spec": {"podSelector": {"matchLabels": {"app": "app-0"}}, "ingress": [{}]}}`)
		}
		stored := i%4 == 0
		if stored {
			create("/api/v1"+in+"/persistentvolumeclaims", fmt.Sprintf(`{"metadata": {"name": %q}, "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": "%s-%s",
				"resources": {"requests": {"storage": "1Gi"}}}}`, name, ns, name))
			create("/api/v1/persistentvolumes", fmt.Sprintf(`{"metadata": {"name": "%s-%s"}, "spec": {"accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"},
				"claimRef": {"namespace": %[1]q, "name": %q}, "nfs": {"server": "files.example", "path": "/%[1]s/%[3]d"}}}`, ns, name, i%8))
		}
		spec := func(pod string) string {
			volumes, mounts := "", ""
			if stored {
				volumes, mounts = `, {"name": "data", "persistentVolumeClaim": {"claimName": "`+name+`"}}`, `, {"name": "data", "mountPath": "/data"}`
			}
			if i == 3 {
				volumes, mounts = `, {"name": "logs", "hostPath": {"path": "/var/log"}}`, `, {"name": "logs", "mountPath": "/logs"}`
			}
			if pod != "" {
				volumes += `, {"name": "kube-api-access-` + pod + `", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
					{"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}`
				mounts += `, {"name": "kube-api-access-` + pod + `", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}`
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
