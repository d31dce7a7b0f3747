package reach

import (
	"fmt"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// made is a pod that the ReplicaSet of replica made.
func made(name, labels, ports, address string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: shop, labels: {%s}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u1, controller: true}]}\n"+
		"spec: {containers: [{name: c, image: a, ports: [%s]}]}\nstatus: {podIP: %s}\n", name, labels, ports, address)
}

func replica(labels, ports string) string {
	return fmt.Sprintf("---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web, namespace: shop, uid: u1}\n"+
		"spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {%s}}, spec: {containers: [{name: c, image: a, ports: [%s]}]}}}\n", labels, ports)
}

// A pod that alone has a way in is not hidden behind another, nor behind the
// template that it was made of.
func TestWaysInOfSinglePods(t *testing.T) {
	const port = "{containerPort: 8080}"
	policies := netpol("shop", "some", "podSelector: {matchLabels: {extra: x}}, ingress: [{}]") + netpol("shop", "none", "podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]")
	front := object("v1", "Service", "shop", "front", "spec: {selector: {role: front}, ports: [{port: 80, targetPort: 8080}]}")
	hand := object("v1", "Service", "shop", "front", "spec: {ports: [{port: 80}]}")
	ingress := object("networking.k8s.io/v1", "Ingress", "shop", "in", "spec: {defaultBackend: {service: {name: front, port: {number: 80}}}}")
	for _, extra := range []string{"", ", extra: x"} {
		template := replica("app: web", port)
		if extra == "" {
			template += netpol("shop", "all", "podSelector: {}, ingress: [{}]")
		} else {
			template += policies
		}
		for _, which := range []int{0, 1} {
			labels, ports := []string{"app: web" + extra, "app: web" + extra}, []string{port, port}
			pods := func() string {
				return template + made("web-a", labels[0], ports[0], "10.0.0.1") + made("web-b", labels[1], ports[1], "10.0.0.2")
			}
			where := fmt.Sprintf("pod %d, labels %s", which, labels[which])
			slice := endpointSlice("s", "front", "", fmt.Sprintf("ports: [{port: 8080}]\nendpoints: [{addresses: [10.0.0.%d]}]", which+1))
			if got := told(t, true, pods()+hand+ingress+slice); !strings.HasSuffix(got, "Ingress internet maybe none/TCP 8080") {
				t.Errorf("%s, by hand: %q", where, got)
			}
			labels[which] += ", role: front"
			if got := told(t, true, pods()+front+ingress); !strings.HasSuffix(got, "Ingress internet maybe none/TCP 8080") {
				t.Errorf("%s, by its label: %q", where, got)
			}
			labels[which], ports[which] = labels[1-which], "{containerPort: 8080, hostPort: 80}"
			if got := told(t, true, pods()); got != "HostPort nodes yes TCP 8080" {
				t.Errorf("%s, by its host port: %q", where, got)
			}
		}
	}
}

// Pods that differ alike from the template, and in nothing that leads to them, are
// one endpoint, whatever else their labels say.
func TestPodsThatDifferAlikeAreOne(t *testing.T) {
	var text strings.Builder
	text.WriteString(replica("app: web", "") + svc("web", "type: NodePort, ports: [{port: 80}]") + netpol("shop", "some", "podSelector: {matchLabels: {extra: x}}, ingress: [{}]"))
	for i := range 20 {
		text.WriteString(made(fmt.Sprint("web-", i), fmt.Sprintf("id: i-%d, extra: x, app: web", i), "", fmt.Sprint("10.0.0.", i)))
		text.WriteString(made(fmt.Sprint("like-", i), fmt.Sprintf("id: i-%d, app: web", i), "", fmt.Sprint("10.0.1.", i)))
	}
	g := New(model.NewSnapshot(parse(t, text.String()), true))
	if n := len(g.InNamespace("shop")); n != 2 {
		t.Errorf("%d endpoints, want the ReplicaSet and one pod", n)
	}
}

// A peer selects the pod that endpoints name, and not the one that stands for it.
func TestIsolateSelectsThePodItself(t *testing.T) {
	i, _ := isolate(t, true, declare("Pod", "edge", "client", "out: [{service: front, namespace: shop, ports: [80]}]"), "edge", pod("edge", "client", "app: client", ""),
		replica("app: web", ""), netpol("shop", "some", "podSelector: {matchLabels: {extra: x}}, ingress: [{}]"),
		made("web-a", "app: web, extra: x, id: a", "", "10.0.0.1"), made("web-b", "app: web, extra: x, id: b", "", "10.0.0.2"),
		object("v1", "Service", "shop", "front", "spec: {ports: [{port: 80}]}"),
		endpointSlice("s", "front", "", "ports: [{port: 8080}]\nendpoints: [{addresses: [10.0.0.1, 10.0.0.2]}]"))
	var text strings.Builder
	for _, p := range i.Policies {
		text.WriteString(p.Text)
	}
	for _, want := range []string{"id: a", "id: b"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is not in\n%s", want, text.String())
		}
	}
}
