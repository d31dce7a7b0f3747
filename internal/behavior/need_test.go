package behavior

import (
	"net/netip"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const needed = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
        - name: web
          command: [/app/server]
          ports: [{containerPort: 8080}]
          livenessProbe: {exec: {command: [/app/alive]}}
          securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
          volumeMounts: [{name: tmp, mountPath: /tmp}, {name: conf, mountPath: /tmp/conf, readOnly: true}]
---
apiVersion: ullage.dev/v1alpha1
kind: Declaration
workloads: [{kind: Deployment, name: web}]
files: [/tmp]
capabilities: []
peers:
  in: []
  out:
    - {workload: db, ports: [5432]}
    - {namespace: monitoring}
    - {service: redis, namespace: data}
    - {cidr: 203.0.113.0/24, ports: [53/UDP]}
    - {dns: "*.payments.example"}
`

func TestNeed(t *testing.T) {
	file := &tree.File{Name: "web.yaml", Text: needed}
	var object *model.Object
	var declarations []*model.Declaration
	for doc := range tree.Parse(file) {
		if model.IsDeclaration(doc.Root) {
			d, err := model.ParseDeclaration(doc.Root, &model.Source{File: file})
			if err != nil {
				t.Fatal(err)
			}
			declarations = append(declarations, d)
			continue
		}
		var err error
		if object, err = model.NewObject(doc.Root, &model.Source{File: file}, "", "default"); err != nil {
			t.Fatal(err)
		}
	}
	if NeedOf(object, "other", declarations) != nil {
		t.Error("a container that is not there has needs")
	}
	n, silent := NeedOf(object, "web", declarations), NeedOf(object, "web", nil)
	to := func(p Peer) Fact { return Fact{Kind: Connect, Peer: p} }
	writes := func(path string) Fact { return Fact{Kind: Write, File: File{Path: path}} }
	uses := func(name string) Fact { return Fact{Kind: Capability, Name: name} }
	runs := func(path string) Fact { return Fact{Kind: Execute, Program: Program{File: File{Path: path}}} }
	for _, c := range []struct {
		f                         Fact
		declared, silent, granted Answer
	}{
		{Fact{Kind: Listen, Peer: Peer{Protocol: "tcp", Port: 8080}}, Yes, Yes, Unknown},
		{Fact{Kind: Listen, Peer: Peer{Protocol: "udp", Port: 8080}}, No, No, Unknown},
		{Fact{Kind: Listen, Peer: Peer{Protocol: "tcp"}}, Unknown, Unknown, Unknown},
		{runs("/app/server"), Yes, Yes, Unknown},
		{runs("/app/alive"), Yes, Yes, Unknown},
		{runs("/bin/sh"), Unknown, Unknown, Unknown},
		{writes("/tmp/x"), Yes, Unknown, Yes},
		{writes("/tmpx"), No, Unknown, No},
		{writes("/tmp/conf/x"), Yes, Unknown, No},
		{writes("/proc/self/x"), No, Unknown, Unknown},
		{writes("/tmp/*"), Unknown, Unknown, Unknown},
		{uses("CHOWN"), No, Unknown, No},
		{uses("NET_BIND_SERVICE"), No, Unknown, Yes},
		{to(Peer{Workload: "StatefulSet/shop/db", Protocol: "tcp", Port: 5432}), Yes, Unknown, Unknown},
		{to(Peer{Workload: "StatefulSet/shop/db", Protocol: "tcp", Port: 22}), Unknown, Unknown, Unknown}, // it may be behind the service
		{to(Peer{Workload: "Deployment/monitoring/x", Protocol: "tcp", Port: 22}), Yes, Unknown, Unknown},
		{to(Peer{Name: "redis.data.svc.cluster.local", Protocol: "tcp", Port: 6379}), Yes, Unknown, Unknown},
		{to(Peer{Name: "api.payments.example", Protocol: "tcp", Port: 443}), Yes, Unknown, Unknown},
		{to(Peer{Name: "payments.example", Protocol: "tcp", Port: 443}), Unknown, Unknown, Unknown},
		{to(Peer{Address: netip.MustParseAddr("203.0.113.7"), Protocol: "udp", Port: 53}), Yes, Unknown, Unknown},
		{Fact{Kind: Accept, Peer: Peer{Address: netip.MustParseAddr("203.0.113.7"), Protocol: "tcp", Port: 8080}}, No, Unknown, Unknown},
		{Fact{Kind: Syscall, Name: "openat"}, Unknown, Unknown, Unknown},
	} {
		declared, _ := n.Declared(c.f)
		quiet, _ := silent.Declared(c.f)
		granted, _ := n.Granted(c.f)
		if declared != c.declared || quiet != c.silent || granted != c.granted {
			t.Errorf("%+v: declared %s, without a declaration %s, granted %s", c.f, declared, quiet, granted)
		}
	}
}
