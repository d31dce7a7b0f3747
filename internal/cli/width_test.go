package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLinesFit holds that no line is wider than a terminal whose width is not
// known, but for words that cannot be broken, such as places.
func TestLinesFit(t *testing.T) {
	long := strings.Repeat("a-long-name/", 7)
	dir := write(t, map[string]string{long + "workload-of-the-shop.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout-of-the-shop, namespace: checkout-production}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: checkout-server, image: "registry.example/web:1", env: [{name: PASSWORD, value: hunter2}], securityContext: {privileged: true}}
      - {name: checkout-sidecar, image: "registry.example/web:1"}
      volumes: [{name: all, hostPath: {path: /}}, {name: logs, hostPath: {path: /var/log}}, {name: docker, hostPath: {path: /run/docker.sock}}]
`})
	for _, args := range [][]string{{"check"}, {"check", "-v"}, {"check", "--diff"}, {"storage", "-v"}, {"secrets", "-v"}} {
		o := ullage(t, append(args, filepath.Join(dir, long))...)
		text := o.stderr
		if args[len(args)-1] != "--diff" { // the lines of files are as they are
			text += o.stdout
		}
		if text == "" {
			t.Errorf("%v: no lines: %q", args, text)
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\n"); utf8.RuneCountInString(line) > 100 && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%v: %d columns: %s", args, utf8.RuneCountInString(line), line)
			}
		}
	}
}
