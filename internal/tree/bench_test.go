package tree_test

import (
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ullage.dev/ullage/internal/tree"
)

// deployment is what a team writes, about 1.7 kB of it.
func deployment(i int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout-%[1]d
  namespace: shop
  labels:
    app.kubernetes.io/name: checkout-%[1]d
    app.kubernetes.io/part-of: shop
    team: payments
  annotations:
    example.com/owner: "payments@example.com"
    example.com/description: >-
      Takes an order and its payment,
      and hands both over.
spec:
  replicas: 3
  revisionHistoryLimit: 5
  selector:
    matchLabels:
      app.kubernetes.io/name: checkout-%[1]d
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 25%%
      maxUnavailable: 0
  template:
    metadata:
      labels:
        app.kubernetes.io/name: checkout-%[1]d
        team: payments
    spec:
      serviceAccountName: checkout
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
      # the program itself
      - name: checkout
        image: registry.example.com/shop/checkout:1.%[1]d.0
        imagePullPolicy: IfNotPresent
        args: ["--listen", ":8080", "--log=json"]
        env:
        - name: LOG_LEVEL
          value: info
        - name: POOL_SIZE
          value: "20"
        - name: DATABASE_URL
          valueFrom:
            secretKeyRef:
              name: checkout-db
              key: url
        ports:
        - name: http
          containerPort: 8080
          protocol: TCP
        resources:
          requests: {cpu: 100m, memory: 128Mi}
          limits:
            memory: 256Mi
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        volumeMounts:
        - name: tmp
          mountPath: /tmp
      volumes:
      - name: tmp
        emptyDir: {}
`, i)
}

func deployments(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("---\n" + deployment(i))
	}
	return b.String()
}

func nodes(n *tree.Node) int {
	sum := 1
	for i := range n.Children() {
		sum += nodes(&n.Children()[i])
	}
	return sum
}

// BenchmarkParse reads a file of 1,000 Deployments; one op is one document.
func BenchmarkParse(b *testing.B) {
	const n = 1000
	text := deployments(n)
	b.SetBytes(int64(len(text) / n))
	b.ReportAllocs()
	for left := 0; b.Loop(); left-- {
		if left > 0 {
			continue
		}
		left = n
		for doc := range tree.Parse(&tree.File{Name: "bench.yaml", Text: text}) {
			if doc.Err != nil {
				b.Fatal(doc.Err)
			}
		}
	}
}

// BenchmarkParseFile reads one Deployment in a file of its own.
func BenchmarkParseFile(b *testing.B) {
	text := deployment(1)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		for doc := range tree.Parse(&tree.File{Name: "bench.yaml", Text: text}) {
			if doc.Err != nil {
				b.Fatal(doc.Err)
			}
		}
	}
	b.ReportMetric(float64(len(text)), "B/doc")
}

// BenchmarkSeal is the cost of hashes, and of the move to memory of just the
// right size, on top.
func BenchmarkSeal(b *testing.B) {
	for doc := range tree.Parse(&tree.File{Name: "bench.yaml", Text: deployment(1)}) {
		b.ReportMetric(float64(nodes(doc.Root)), "nodes/doc")
		for b.Loop() {
			doc.Root.Seal()
		}
	}
}

// BenchmarkLibrary is the floor that the library alone sets.
func BenchmarkLibrary(b *testing.B) {
	text := []byte(deployment(1))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var y yaml.Node
		if err := yaml.Unmarshal(text, &y); err != nil {
			b.Fatal(err)
		}
	}
}
