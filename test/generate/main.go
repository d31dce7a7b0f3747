// Command generate writes varied workload manifests for benchmarks: the same
// arguments give the same bytes, and no two pod templates are alike.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	count := flag.Int("n", 10_000, "documents")
	perFile := flag.Int("per-file", 100, "documents a file")
	dir := flag.String("o", "", "directory to write to")
	flag.Parse()
	if *dir == "" {
		log.Fatal("generate: -o DIR is missing")
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		log.Fatal(err)
	}
	for first := 0; first < *count; first += *perFile {
		if err := writeFile(filepath.Join(*dir, fmt.Sprintf("workloads-%05d.yaml", first)), first, min(*perFile, *count-first)); err != nil {
			log.Fatal(err)
		}
	}
}

func writeFile(path string, first, count int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for i := range count {
		g := generator{r: rand.New(rand.NewPCG(7, uint64(first+i))), n: first + i}
		if i > 0 {
			g.b.WriteString("---\n")
		}
		g.workload()
		if _, err := w.WriteString(g.b.String()); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// generator writes one document.
type generator struct {
	r *rand.Rand
	n int
	b strings.Builder
}

func (g *generator) line(indent int, format string, args ...any) {
	g.b.WriteString(strings.Repeat("  ", indent))
	fmt.Fprintf(&g.b, format, args...)
	g.b.WriteByte('\n')
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, options ...T) T { return options[g.r.IntN(len(options))] }

var (
	teams = []string{"orders", "payments", "catalog", "search", "identity", "shipping", "media", "reports"}
	roles = []string{"api", "worker", "web", "cache", "sync", "gateway", "indexer", "mailer"}
)

func (g *generator) workload() {
	team, role := pick(g, teams...), pick(g, roles...)
	name := fmt.Sprintf("%s-%s-%d", team, role, g.n)
	kind := pick(g, "Deployment", "Deployment", "Deployment", "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job")
	group := "apps/v1"
	if kind == "CronJob" || kind == "Job" {
		group = "batch/v1"
	}
	g.line(0, "apiVersion: %s", group)
	g.line(0, "kind: %s", kind)
	g.line(0, "metadata:")
	g.line(1, "name: %s", name)
	g.line(1, "namespace: %s", pick(g, team, team, "default", "staging"))
	g.labels(1, team, role, name)
	if g.chance(40) {
		g.line(1, "annotations:")
		g.line(2, "example.com/revision: \"%d\"", g.r.IntN(100000))
		g.line(2, "example.com/contact: %s@example.com", team)
	}
	g.line(0, "spec:")
	switch kind {
	case "CronJob":
		g.line(1, "schedule: \"%d %d * * *\"", g.r.IntN(60), g.r.IntN(24))
		g.line(1, "jobTemplate:")
		g.line(2, "spec:")
		g.template(3, team, role, name, "OnFailure")
	case "Job":
		g.line(1, "backoffLimit: %d", g.r.IntN(6))
		g.template(1, team, role, name, "Never")
	default:
		if kind != "DaemonSet" {
			g.line(1, "replicas: %d", 1+g.r.IntN(6))
		}
		if kind == "StatefulSet" {
			g.line(1, "serviceName: %s", name)
		}
		g.line(1, "selector:")
		g.line(2, "matchLabels:")
		g.line(3, "app.kubernetes.io/name: %s", name)
		g.template(1, team, role, name, "")
	}
}

func (g *generator) labels(indent int, team, role, name string) {
	g.line(indent, "labels:")
	g.line(indent+1, "app.kubernetes.io/name: %s", name)
	g.line(indent+1, "app.kubernetes.io/component: %s", role)
	g.line(indent+1, "app.kubernetes.io/version: \"%d.%d.%d\"", g.r.IntN(9), g.r.IntN(20), g.r.IntN(20))
	if g.chance(60) {
		g.line(indent+1, "team: %s", team)
	}
}

func (g *generator) template(indent int, team, role, name, restart string) {
	g.line(indent, "template:")
	g.line(indent+1, "metadata:")
	g.labels(indent+2, team, role, name)
	g.line(indent+1, "spec:")
	in := indent + 2
	if restart != "" {
		g.line(in, "restartPolicy: %s", restart)
	}
	if g.chance(50) {
		g.line(in, "serviceAccountName: %s", name)
	}
	if g.chance(30) {
		g.line(in, "automountServiceAccountToken: %t", g.chance(20))
	}
	if g.chance(4) {
		g.line(in, "%s: true", pick(g, "hostNetwork", "hostPID", "hostIPC"))
	}
	if g.chance(50) {
		g.line(in, "securityContext:")
		g.line(in+1, "runAsNonRoot: %t", g.chance(90))
		g.line(in+1, "fsGroup: %d", 1000+g.r.IntN(5000))
		if g.chance(60) {
			g.line(in+1, "seccompProfile:")
			g.line(in+2, "type: %s", pick(g, "RuntimeDefault", "RuntimeDefault", "Unconfined"))
		}
	}
	volumes := g.volumes(in, name)
	g.line(in, "containers:")
	g.container(in, role, volumes)
	for range g.r.IntN(3) / 2 {
		g.container(in, pick(g, "proxy", "metrics", "logs"), volumes)
	}
	if g.chance(25) {
		g.line(in, "initContainers:")
		g.container(in, "migrate", nil)
	}
}

func (g *generator) volumes(in int, name string) []string {
	if !g.chance(60) {
		return nil
	}
	var names []string
	g.line(in, "volumes:")
	for i := range 1 + g.r.IntN(3) {
		volume := fmt.Sprintf("data-%d", i)
		names = append(names, volume)
		g.line(in, "- name: %s", volume)
		switch g.r.IntN(10) {
		case 0:
			g.line(in+1, "hostPath:")
			g.line(in+2, "path: %s", pick(g, "/var/log", "/etc/ssl", "/var/run/docker.sock", "/srv/data"))
		case 1, 2, 3:
			g.line(in+1, "secret:")
			g.line(in+2, "secretName: %s-%d", name, i)
		case 4, 5:
			g.line(in+1, "configMap:")
			g.line(in+2, "name: %s-%d", name, i)
		case 6:
			g.line(in+1, "persistentVolumeClaim:")
			g.line(in+2, "claimName: %s-%d", name, i)
		default:
			g.line(in+1, "emptyDir: {}")
		}
	}
	return names
}

func (g *generator) container(in int, name string, volumes []string) {
	g.line(in, "- name: %s-%d", name, g.r.IntN(1000))
	in++
	g.line(in, "image: %s/%s:%s", pick(g, "registry.example", "mirror.example/library", "docker.io/example"), name,
		pick(g, fmt.Sprintf("%d.%d.%d", g.r.IntN(10), g.r.IntN(30), g.n), "latest", fmt.Sprintf("v%d", g.n)))
	if g.chance(30) {
		g.line(in, "args: [\"--port=%d\", \"--level=%s\"]", 1024+g.r.IntN(60000), pick(g, "info", "warn", "debug"))
	}
	g.line(in, "ports:")
	g.line(in, "- name: http")
	g.line(in+1, "containerPort: %d", 1024+g.r.IntN(60000))
	g.line(in, "env:")
	for i := range 1 + g.r.IntN(5) {
		g.line(in, "- name: SETTING_%d", i)
		switch g.r.IntN(6) {
		case 0:
			g.line(in+1, "valueFrom:")
			g.line(in+2, "secretKeyRef:")
			g.line(in+3, "name: settings-%d", g.n)
			g.line(in+3, "key: value-%d", i)
		default:
			g.line(in+1, "value: \"%s-%d\"", pick(g, teams...), g.r.IntN(1_000_000))
		}
	}
	g.resources(in)
	g.security(in)
	if g.chance(60) {
		g.line(in, "readinessProbe:")
		g.line(in+1, "httpGet:")
		g.line(in+2, "path: /ready/%d", g.r.IntN(1000))
		g.line(in+2, "port: http")
		g.line(in+1, "periodSeconds: %d", 1+g.r.IntN(30))
	}
	if len(volumes) > 0 {
		g.line(in, "volumeMounts:")
		for _, v := range volumes {
			g.line(in, "- name: %s", v)
			g.line(in+1, "mountPath: /mnt/%s/%d", v, g.r.IntN(1000))
			if g.chance(40) {
				g.line(in+1, "readOnly: true")
			}
		}
	}
}

func (g *generator) resources(in int) {
	if !g.chance(75) {
		return
	}
	g.line(in, "resources:")
	g.line(in+1, "requests:")
	g.line(in+2, "cpu: %dm", 10+g.r.IntN(2000))
	g.line(in+2, "memory: %dMi", 16+g.r.IntN(4000))
	if g.chance(60) {
		g.line(in+1, "limits:")
		g.line(in+2, "memory: %dMi", 4096+g.r.IntN(4000))
	}
}

func (g *generator) security(in int) {
	if !g.chance(65) {
		return
	}
	g.line(in, "securityContext:")
	g.line(in+1, "allowPrivilegeEscalation: %t", g.chance(20))
	if g.chance(3) {
		g.line(in+1, "privileged: true")
	}
	if g.chance(60) {
		g.line(in+1, "readOnlyRootFilesystem: %t", g.chance(80))
	}
	if g.chance(50) {
		g.line(in+1, "runAsUser: %d", pick(g, 0, 1000, 10001, 65532, 1000+g.r.IntN(9000)))
	}
	if g.chance(60) {
		g.line(in+1, "capabilities:")
		g.line(in+2, "drop: [%s]", pick(g, "ALL", "ALL", "NET_RAW"))
		if g.chance(15) {
			g.line(in+2, "add: [%s]", pick(g, "NET_BIND_SERVICE", "SYS_ADMIN", "NET_ADMIN"))
		}
	}
}
