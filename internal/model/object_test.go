package model

import "testing"

const deploymentText = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  namespace: shop
  labels:
    app.kubernetes.io/name: checkout
    app.kubernetes.io/part-of: shop
    team: payments
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "9090"
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: checkout
  template:
    metadata:
      labels:
        app.kubernetes.io/name: checkout
        app.kubernetes.io/part-of: shop
    spec:
      serviceAccountName: checkout
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: web
          image: registry.example/shop/checkout:2.14.1
          args: ["--listen", ":8080", "--log-level=info"]
          ports:
            - name: http
              containerPort: 8080
            - name: metrics
              containerPort: 9090
          env:
            - name: DATABASE_HOST
              value: postgres.shop.svc
            - name: DATABASE_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: checkout-db
                  key: password
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: 256Mi
          livenessProbe:
            httpGet:
              path: /healthz
              port: http
          readinessProbe:
            httpGet:
              path: /ready
              port: http
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
        - name: config
          configMap:
            name: checkout
`

func BenchmarkNewObject(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		root, source := parse(b, deploymentText)
		b.StartTimer()
		if _, err := NewObject(root, source, "", ""); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStages times the parts of NewObject alone.
func BenchmarkStages(b *testing.B) {
	for name, stage := range map[string]func(o *Object){
		"checkTypes":    func(o *Object) { _, _ = checkTypes(o) },
		"applyDefaults": applyDefaults,
		"redact":        redact,
		"seal":          func(o *Object) { o.Root.Seal() },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				root, source := parse(b, deploymentText)
				o := &Object{APIVersion: "apps/v1", Root: root, Source: source}
				o.Key.GroupKind = GroupKind{"apps", "Deployment"}
				b.StartTimer()
				stage(o)
			}
		})
	}
}
