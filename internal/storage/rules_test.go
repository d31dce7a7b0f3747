package storage_test

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// noFacts stands for the facts about other objects, which the rules here do not
// ask for.
type noFacts struct{}

func (noFacts) Fact(*model.Object, *model.PodTemplate, string) (tree.Node, bool) {
	return tree.Node{}, false
}
func (noFacts) References(*model.Object) []policy.Reference { return nil }
func (noFacts) Image(*tree.Node) *tree.Node                 { return nil }
func (noFacts) Namespace(*model.Object) *tree.Node          { return nil }

// onlyHere are paths that the catalogue knows and the rules let pass: what node
// agents mount, and what is rarely mounted.
var onlyHere = []string{"/var/log", "/lib/modules", "/var/lib/docker/containers", "/run/secrets"}

// TestCatalogueAgreesWithRules holds the catalogue against the rules about
// sensitive paths, of pods and of local volumes: what these refuse has something
// to gain, and the other way round.
func TestCatalogueAgreesWithRules(t *testing.T) {
	library, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Find(library, []string{"host-path-sensitive", "runtime-socket", "persistent-volume-host-path"})
	if err != nil {
		t.Fatal(err)
	}
	worker := policy.NewEngine(rules, policy.Options{KubernetesMinor: 37}).NewWorker(noFacts{})
	const pod, local = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, securityContext: {privileged: true}, volumeMounts: [{name: v, mountPath: /m}]}], volumes: [{name: v, hostPath: {path: AT}}]}}",
		"{apiVersion: v1, kind: PersistentVolume, metadata: {name: p}, spec: {local: {path: AT}}}"
	refused := func(object, at string) bool {
		file := &tree.File{Text: strings.Replace(object, "AT", strconv.Quote(at), 1)}
		for doc := range tree.Parse(file) {
			o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "default")
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(worker.Evaluate(o, &policy.Tally{}), func(o policy.Outcome) bool { return o.Verdict == policy.Fail })
		}
		return false
	}
	var paths []string
	for _, e := range storage.HostPath("/") {
		for at := e.Path; at != "/"; at = path.Dir(at) {
			paths = append(paths, at, at+"/below", at+"-other")
		}
	}
	paths = append(paths, "/", "/srv", "/srv/app", "/tmp", "/mnt/disks", "/data", "/var/lib/app", "/var/run/docker.sock", "/var/run", "/user/containerd.sock",
		"/etc/localtime", "/usr/share/zoneinfo", "/dev/null", "/opt/app", "/run/user/1000/podman/podman.sock", "//var//lib/./kubelet/",
		"/etc/ssl/certs/ca.pem", "/var/lib/rancher/k3s/storage/pvc-1", "/dev/shm/x", "/etc/machine-id")
	refusals := 0
	for _, at := range paths {
		known, bad := len(storage.HostPath(at)) > 0, refused(pod, at)
		if disk := strings.HasPrefix(at, "/dev/"); refused(local, at) != (bad && !disk) { // a disk may be a local volume's own
			t.Errorf("%s: refused to pods: %v, to local volumes: %v", at, bad, !bad)
		}
		if devices := at == "/dev" || strings.HasPrefix(at, "/dev/"); refused(strings.Replace(pod, "true", "false", 1), at) != (bad && !devices) {
			t.Errorf("%s: refused to pods that are not privileged: %v", at, !bad)
		}
		if bad {
			refusals++
		}
		excused := slices.ContainsFunc(onlyHere, func(p string) bool { return at == p || strings.HasPrefix(at, p+"/") })
		if bad && !known || known && !bad && !excused {
			t.Errorf("%s: the rules refuse it: %v, the catalogue knows it: %v", at, bad, known)
		}
	}
	if refusals < 30 {
		t.Errorf("the rules refuse only %d paths", refusals)
	}
}
