package manifest

import (
	"net"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

const overlays = "testdata/overlays"

func TestOverlay(t *testing.T) {
	in := load(t, Options{}, overlays+"/overlays/prod")
	compare(t, summary(in, overlays), `Deployment/prod/eu-checkout base/deployment.yaml:5
Service/prod/eu-checkout base/service.yaml:4
ConfigMap/prod/eu-settings-* base/kustomization.yaml:9
PodDisruptionBudget/prod/eu-checkout overlays/prod/budget.yaml:4
Secret/prod/eu-token-* overlays/prod/kustomization.yaml:27`)
	for _, o := range in.Objects {
		if o.Annotation("config.kubernetes.io/origin") != "" {
			t.Errorf("%s has an annotation that it would not have", o.Key)
		}
	}
}

func TestOverlayPlaces(t *testing.T) {
	in := load(t, Options{}, overlays+"/overlays/prod")
	for _, tt := range []struct{ kind, path, text, want string }{
		{"Deployment", "kind", "Deployment", "base/deployment.yaml:3"},
		{"Deployment", "spec.replicas", "4", "overlays/prod/replicas.json:2"},
		{"Deployment", "spec.template.spec.containers", "", "base/deployment.yaml:16"},
		{"Deployment", "spec.template.spec.hostNetwork", "true", "overlays/prod/harden.yaml:8"},
		{"Deployment", "spec.template.spec.containers[1].image", "registry.example.test/proxy:3", "base/deployment.yaml:18"},
		{"Deployment", "spec.template.spec.containers[0].image", "registry.example.test/checkout:2", "base/deployment.yaml:20"},
		{"Deployment", "spec.template.spec.containers[0].securityContext", "", "overlays/prod/harden.yaml:11"},
		{"Deployment", "spec.template.spec.containers[0].securityContext.privileged", "false", "overlays/prod/harden.yaml:13"},
		{"Deployment", "spec.template.spec.containers[0].ports[0].containerPort", "8080", "base/deployment.yaml:22"},
		{"Deployment", "spec.template.metadata.labels.team", "payments", "base/deployment.yaml:13"},
		{"Deployment", "spec.template.metadata.annotations", "", "components/metrics/kustomization.yaml:8"},
		{"Service", "spec.type", "LoadBalancer", "overlays/prod/kustomization.yaml:25"},
		{"Service", "spec.ports[0].targetPort", "8080", "base/service.yaml:10"},
	} {
		o := find(t, in, tt.kind, "eu-checkout")
		p, err := tree.ParsePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		n := o.Root.Follow(p)
		if n == nil || tt.text != "" && n.Text() != tt.text {
			t.Errorf("%s %s = %q, want %q", tt.kind, tt.path, n.Text(), tt.text)
			continue
		}
		if got := o.Source.Place(n); got.String() != overlays+"/"+tt.want || got.Rendered != "kustomize" {
			t.Errorf("%s %s: at %s, want %s", tt.kind, tt.path, got, tt.want)
		}
	}
}

func TestOverlaysInDirectory(t *testing.T) {
	in := load(t, Options{}, overlays)
	got := summary(in, overlays)
	for _, want := range []string{"Deployment/dev/checkout", "Deployment/prod/eu-checkout"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s is not there once:\n%s", want, got)
		}
	}
	if strings.Contains(got, "default") || len(in.Objects) != 8 || len(in.Problems) > 0 {
		t.Errorf("the base was read by itself:\n%s", got)
	}
	in = load(t, Options{}, overlays, overlays+"/base")
	if got := summary(in, overlays); !strings.Contains(got, "Deployment/default/checkout") || len(in.Objects) != 11 {
		t.Errorf("a base that is given is not read:\n%s", got)
	}
}

func TestBadOverlays(t *testing.T) {
	// Whoever answers here was asked over the network.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked := make(chan struct{}, 100)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			c.Close()
		}
	}()
	address := listener.Addr().String()
	base := map[string]string{"base/kustomization.yaml": "resources: [web.yaml]\n", "base/web.yaml": deployment, "over/own.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n"}
	for _, tt := range []struct {
		name  string
		kust  string
		files map[string]string
		want  string
	}{
		{"remote resource", "resources:\n- ../base\n- own.yaml\n- http://" + address + "/x.yaml\n", nil,
			"over/kustomization.yaml:4:3: a remote reference, which is not followed (fetch it into the tree, or check the output of kustomize build)"},
		{"remote base", "resources: [../base, own.yaml]\nbases:\n- git::http://" + address + "/a/b.git?ref=v1\n", nil, "over/kustomization.yaml:3:3: a remote reference*"},
		{"directory that looks remote", "resources:\n- ../base\n- own.yaml\n- github.com/org/repo\n", map[string]string{"over/github.com/org/repo/kustomization.yaml": "namespace: x\n"}, "over/kustomization.yaml:4:3: a remote reference*"},
		{"scp", "resources: [../base, own.yaml, 'git@127.0.0.1:org/repo']\n", nil, "over/kustomization.yaml:1:32: a remote reference*"},
		{"remote patch", "resources: [../base, own.yaml]\npatches: [{path: 'HTTP://" + address + "/p'}]\n", nil, "over/kustomization.yaml:2:18: a remote reference*"},
		{"remote data", "resources: [../base, own.yaml]\nconfigMapGenerator:\n- name: x\n  files: ['a=http://" + address + "/p']\n", nil, "over/kustomization.yaml:4:11: a remote reference*"},
		{"remote schema", "resources: [../base, own.yaml]\nopenapi: {path: 'http://" + address + "/p'}\n", nil, "over/kustomization.yaml:2:17: a remote reference*"},
		{"remote in plugin", "resources: [../base, own.yaml]\ntransformers: [t.yaml]\n", map[string]string{"over/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\npath: http://" + address + "/p\n"}, "over/kustomization.yaml:2:16: plugins are not run (*"},
		{"exec plugin", "resources: [../base, own.yaml]\ngenerators:\n- |\n  apiVersion: x/v1\n  kind: G\n  metadata:\n    name: g\n    annotations: {config.kubernetes.io/function: '{exec: {path: /bin/true}}'}\n", nil, "over/kustomization.yaml:3:3: plugins are not run (*"},
		{"charts", "resources: [../base, own.yaml]\nhelmCharts: [{name: x}]\n", nil, "over/kustomization.yaml:2:1: charts within a kustomization are not rendered (check the chart by itself)"},
		{"absolute", "resources: [../base, own.yaml, /etc/hostname]\n", nil, "over/kustomization.yaml:1:32: an absolute path, which is not followed"},
		{"missing", "resources: [../base, own.yaml, gone.yaml]\n", nil, "over/kustomization.yaml:1:32: refers to a path that cannot be read: does not exist"},
		{"outside", "resources: [../base, own.yaml, ../../../../../../../../etc/hostname]\n", nil, "over/kustomization.yaml:1:32: refers to a path outside the git tree or directory that holds the overlay (check a directory that holds both)"},
		{"link outside", "resources: [../base, own.yaml, link.txt]\n", map[string]string{"over/link.txt": "-> /etc/hostname"}, "over/kustomization.yaml:1:32: refers to a path outside*"},
		{"no kustomization", "resources: [../base, own.yaml, dir]\n", map[string]string{"over/dir/x": ""}, "over/kustomization.yaml:1:32: refers to a directory without a kustomization file"},
		{"unknown field", "resources: [../base, own.yaml]\nhunter2: x\n", nil, "over/kustomization.yaml:2:1: a field that kustomizations do not have"},
		{"wrong type", "resources: [../base, own.yaml]\nnamespace: [hunter2]\n", nil, "over/kustomization.yaml: a field of the kustomization has the wrong type"},
		{"malformed", "resources: [../base, own.yaml\nhunter2: [", nil, "over/kustomization.yaml:*"},
		{"empty", "", nil, "over/kustomization.yaml: the kustomization is empty"},
		{"patch without target", "resources: [../base, own.yaml]\npatches: [{patch: '{apiVersion: v1, kind: Secret, metadata: {name: nope}, data: {a: hunter2}}'}]\n", nil, "over/kustomization.yaml: the overlay cannot be built: a patch matches no resource"},
		{"bad patch", "resources: [../base, own.yaml]\npatches: [{path: p.yaml}]\n", map[string]string{"over/p.yaml": "a: [hunter2"}, "over/p.yaml:1: *"},
		{"twice", "resources: [../base, own.yaml, again.yaml]\n", map[string]string{"over/again.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: hunter2}\n"}, "over/kustomization.yaml: the overlay cannot be built: two resources have the same kind, namespace and name"},
		{"circle", "resources: [../base, own.yaml, ../over2]\n", map[string]string{"over2/kustomization.yaml": "resources: [../over]\n"}, "over/kustomization.yaml: the overlay cannot be built: bases refer to each other in a circle"},
		{"two files", "resources: [../base, own.yaml]\n", map[string]string{"over/kustomization.yml": "resources: [../base]\n"}, "over/kustomization.yml: there are several kustomization files in one directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{".git/config": "", "over/kustomization.yaml": tt.kust}
			for name, content := range base {
				files[name] = content
			}
			for name, content := range tt.files {
				files[name] = content
			}
			dir := write(t, files)
			in := load(t, Options{}, dir)
			got := summary(in, dir)
			// What the overlay would have held is checked all the same.
			if !strings.Contains(got, "Deployment/shop/web base/web.yaml:4") || !strings.Contains(got, "ConfigMap/default/own over/own.yaml:3") {
				t.Errorf("bases and resources are not read by themselves:\n%s", got)
			}
			first := ""
			for line := range strings.Lines(got) {
				if strings.HasPrefix(line, "!") {
					first = strings.TrimSpace(line)
					break
				}
			}
			compare(t, first, "! "+tt.want)
			if strings.Contains(got, "hunter2") {
				t.Errorf("a problem quotes a document:\n%s", got)
			}
		})
	}
	select {
	case <-asked:
		t.Error("the network was used")
	default:
	}
}

// TestOverlayRoot holds which directories an overlay may refer to.
func TestOverlayRoot(t *testing.T) {
	files := map[string]string{"repo/over/kustomization.yaml": "resources: [../base]\n", "repo/base/kustomization.yaml": "resources: [web.yaml]\n", "repo/base/web.yaml": deployment}
	dir := write(t, files)
	in := load(t, Options{}, dir+"/repo/over")
	compare(t, summary(in, dir), "! repo/over/kustomization.yaml:1:13: refers to a path outside the git tree or directory that holds the overlay (check a directory that holds both)")

	in = load(t, Options{}, dir+"/repo")
	compare(t, summary(in, dir), "Deployment/shop/web repo/base/web.yaml:4")

	t.Chdir(dir + "/repo")
	in = load(t, Options{}, "over")
	compare(t, summary(in, ""), "Deployment/shop/web base/web.yaml:4")

	files["repo/.git/config"] = ""
	dir = write(t, files)
	in = load(t, Options{}, dir+"/repo/over")
	compare(t, summary(in, dir), "Deployment/shop/web repo/base/web.yaml:4")
}

func TestForeignKustomization(t *testing.T) {
	dir := write(t, map[string]string{"kustomization.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\n", "a.yaml": deployment})
	compare(t, summary(load(t, Options{}, dir), dir), "Deployment/shop/web a.yaml:4:3\nKustomization.kustomize.toolkit.fluxcd.io/default/apps kustomization.yaml:3:12")
}
