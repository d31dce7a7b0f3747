package manifest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const (
	service    = "apiVersion: v1\nkind: Service\nmetadata:\n  name: %s\nspec:\n  ports: [{port: 80}]\n"
	deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
`
)

// write makes a tree of files. A value that begins with "-> " makes a symbolic
// link.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t testing.TB, o Options, paths ...string) *Input {
	t.Helper()
	in, err := Load(t.Context(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	c := in.Counts
	if c.Objects != len(in.Objects) || c.Failed != len(in.Problems) {
		t.Errorf("counts %+v do not agree with %d objects and %d problems", c, len(in.Objects), len(in.Problems))
	}
	return in
}

// summary writes what was loaded in one line each, without the directory.
func summary(in *Input, dir string) string {
	var lines []string
	for _, o := range in.Objects {
		lines = append(lines, o.Key.String()+" "+o.Place().String())
	}
	for _, p := range in.Problems {
		line := "! " + p.String()
		if p.Hint != "" {
			line += " (" + p.Hint + ")"
		}
		lines = append(lines, line)
	}
	for _, d := range in.Declarations {
		lines = append(lines, "declaration of "+d.Workloads[0].Name)
	}
	for _, d := range in.Own {
		lines = append(lines, "own "+d.Root.Get("kind").Str())
	}
	if in.Counts.PassedOver > 0 {
		lines = append(lines, fmt.Sprintf("%d passed over", in.Counts.PassedOver))
	}
	text := strings.Join(lines, "\n")
	if dir != "" {
		text = strings.ReplaceAll(text, dir+"/", "")
	}
	return text
}

func TestLoadPlain(t *testing.T) {
	svc := func(name string) string { return fmt.Sprintf(service, name) }
	for _, tt := range []struct {
		name    string
		files   map[string]string
		paths   []string // of the directory; "" is itself
		options Options
		want    string
	}{
		{"directory in order of names", map[string]string{"b.yml": svc("b"), "a/z.yaml": svc("z"), "c.json": `{"apiVersion":"v1","kind":"Service","metadata":{"name":"c"}}`}, nil, Options{}, `
Service/default/z a/z.yaml:4:3
Service/default/b b.yml:4:3
Service/default/c c.json:1:49`},
		{"documents", map[string]string{"a.yaml": svc("one") + "---\n" + svc("two") + "--- # third\n" + svc("three") + "...\n---\n# nothing\n"}, nil, Options{}, `
Service/default/one a.yaml:4:3
Service/default/two a.yaml:11:3
Service/default/three a.yaml:18:3`},
		{"namespace", map[string]string{"a.yaml": svc("a") + "---\n" + deployment}, nil, Options{Namespace: "team"}, `
Service/team/a a.yaml:4:3
Deployment/shop/web a.yaml:11:3`},
		{"lists", map[string]string{
			"a.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: in-list}\n- kind: List\n  apiVersion: v1\n  items:\n  - apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: deeper}\n- metadata: {name: nothing}\n",
			"b.yaml": "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: typed}\n- metadata: {name: 7}\n",
			"c.yaml": "apiVersion: v1\nkind: List\nitems: []\n",
		}, nil, Options{}, `
ConfigMap/default/in-list a.yaml:6:14
ConfigMap/default/deeper a.yaml:12:16
ConfigMap/default/typed b.yaml:4:14
! a.yaml:13:3: an item of a list has neither apiVersion nor kind
! b.yaml:5:14: ConfigMap: metadata.name is a*
1 passed over`},
		{"documents that are no objects", map[string]string{
			"a.yaml": "- apiVersion: v1\n  kind: Pod\n  metadata: {name: in-list}\n",
			"b.yaml": "- a\n- - b\n  - {apiVersion: v1, kind: Pod, metadata: {name: deeper}}\n",
			"c.json": `[{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "json"}}]`,
			"d.yaml": svc("d") + "---\nhello\n---\n- a\n---\n# nothing\n",
			"e.yaml": "--- |\n  apiVersion: v1\n  kind: Pod\n",
			"f.yaml": "- apiVersion: v1\n- kind\n---\nhello\n",
			"g.yaml": "apiVersion: v1\nkind: List\nitems: {a: b}\n---\napiVersion: v1\nkind: List\n---\napiVersion: v1\nkind: List\nitems: [[{apiVersion: v1, kind: Pod, metadata: {name: nested}}]]\n",
		}, nil, Options{}, `
Service/default/d d.yaml:4:3
! a.yaml:1:3: the object is in a list, which is no document of Kubernetes (` + strayHint + `)
! b.yaml:3:5: the object is in a list, which is no document of Kubernetes (` + strayHint + `)
! c.json:1:2: the object is in a list, which is no document of Kubernetes (` + strayHint + `)
! d.yaml:8:1: the document is a string, not an object (` + strayHint + `)
! d.yaml:10:1: the document is a list, not an object (` + strayHint + `)
! e.yaml:1:5: the object is in a string, which is no document of Kubernetes (` + strayHint + `)
! g.yaml:3:1: List: items is a map, not a list
! g.yaml:10:9: an item of a list has neither apiVersion nor kind
3 passed over`},
		{"one key twice stays twice", map[string]string{"a.yaml": svc("a"), "b.yaml": svc("a")}, nil, Options{}, `
Service/default/a a.yaml:4:3
Service/default/a b.yaml:4:3`},
		{"not Kubernetes", map[string]string{
			"component.yaml":      "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nmetadata: {name: x}\n",
			"docker-compose.yaml": "services:\n  web:\n    image: nginx\n", "values.yaml": "replicas: 1\n", "package-lock.json": `{"name": "x"}`, "list.yaml": "- a\n- b\n",
			"openapi.yaml": "openapi: 3.0.0\ninfo: {title: x}\n", "workflow.yml": "on: push\njobs: {a: {steps: [{run: 'echo ${{ x }}'}]}}\n", "empty.yaml": "", "scalar.yaml": "hello\n",
			"jinja.yaml": "{% for x in y %}\n- {{ x }}\n{% endfor %}\n", "README.md": "apiVersion: v1",
		}, nil, Options{}, `
9 passed over`},
		{"hidden and excluded", map[string]string{".git/a.yaml": svc("a"), ".x.yaml": svc("b"), "node_modules/c.yaml": svc("c"), "old/d.yaml": svc("d"), "test/deep/e.yaml": svc("e"), "f.yaml": svc("f")}, nil,
			Options{Exclude: []string{"old", "test/**/e.*"}}, `
Service/default/f f.yaml:4:3`},
		{"given by name", map[string]string{".x/a.yaml": svc("a"), "b.txt": svc("b"), "c.yaml": svc("c")}, []string{".x", "b.txt", "b.txt", "", ".x/a.yaml"}, Options{}, `
Service/default/a .x/a.yaml:4:3
Service/default/b b.txt:4:3
Service/default/c c.yaml:4:3`},
		{"links", map[string]string{"real/a.yaml": svc("a"), "again": "-> real", "b.yaml": "-> real/a.yaml", "real/up": "-> ..", "circle": "-> circle", "circle.yaml": "-> circle.yaml", "circle.tgz": "-> circle.tgz", "gone.yaml": "-> nowhere", "out.yaml": "-> /etc/hostname", "outdir": "-> /etc"}, nil, Options{}, `
Service/default/a again/a.yaml:4:3
! circle.tgz: symbolic links in a circle
! circle.yaml: symbolic links in a circle
! gone.yaml: the symbolic link cannot be followed: does not exist
! out.yaml: the symbolic link leads out of the given path and was not followed (give the target as a path of its own)`},
		{"own documents", map[string]string{
			"bad.yaml":    "apiVersion: ullage.dev/v1alpha1\nkind: Declaration\nworkloads: web\n",
			"ullage.yaml": "apiVersion: ullage.dev/v1alpha1\nkind: Declaration\nworkloads: [{kind: Deployment, name: web}]\n---\napiVersion: ullage.dev/v1alpha1\nkind: Exceptions\n",
		}, nil, Options{}, `
! bad.yaml:3:1: declaration: workloads *
declaration of web
own Exceptions
2 passed over`},
		{"bad documents", map[string]string{
			"a.yaml":        svc("a") + "---\nfoo: [1,\n---\n" + svc("c"),
			"binary.yaml":   "a\x00b",
			"chart.yaml":    "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n",
			"dup.yaml":      "apiVersion: v1\nkind: Service\nkind: Pod\nmetadata: {name: x}\n",
			"latin.yaml":    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: \"\xe9\"}\n",
			"noname.yaml":   "apiVersion: v1\nkind: Service\nmetadata: {}\n",
			"nokind.yaml":   "apiVersion: v1\nmetadata: {name: x}\n",
			"noversion.yml": "kind: Service\nmetadata: {name: x}\n",
			"quoted.yaml":   "apiVersion: v1\nkind: Service\nmetadata: {name: \"{{ .Values.name }}\"}\n",
			"utf16.yaml":    "\xff\xfea\x00",
			"z.yaml":        svc("z"),
		}, nil, Options{}, `
Service/default/a a.yaml:4:3
Service/default/c a.yaml:13:3
Service/default/z z.yaml:4:3
! a.yaml:8: did not find expected node content
! binary.yaml: is a binary file, not YAML or JSON
! chart.yaml:4:9: unrendered template (check the chart directory instead, or the output of its template engine)
! dup.yaml:3:1: the key "kind" stands twice in one map
! latin.yaml:*: *
! nokind.yaml:1:1: kind is missing or not a string
! noname.yaml:3:1: Service: metadata has neither name nor generateName
! noversion.yml:1:1: apiVersion is missing or not a string
! quoted.yaml:3:12: unrendered template (check the chart directory instead, or the output of its template engine)
! utf16.yaml: is a binary file, not YAML or JSON (it seems to be UTF-16: convert it to UTF-8)`},
		{"large files", map[string]string{"a.yaml": svc("a") + strings.Repeat("#", 200), "b.yaml": svc("b")}, nil, Options{MaxFileBytes: 150}, `
Service/default/b b.yaml:4:3
! a.yaml: is larger than the limit of 150 bytes`},
		{"missing path", map[string]string{"b.yaml": svc("b")}, []string{"a.yaml", "b.yaml"}, Options{}, `
Service/default/b b.yaml:4:3
! a.yaml: does not exist`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.files)
			paths := []string{dir}
			if tt.paths != nil {
				paths = nil
				for _, p := range tt.paths {
					paths = append(paths, filepath.Join(dir, p))
				}
			}
			compare(t, summary(load(t, tt.options, paths...), dir), strings.TrimPrefix(tt.want, "\n"))
		})
	}
}

// compare holds lines against wanted ones, in which * stands for anything.
func compare(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	same := slices.EqualFunc(g, w, func(g, w string) bool {
		for i, part := range strings.Split(w, "*") {
			at := strings.Index(g, part)
			if at < 0 || i == 0 && at > 0 {
				return false
			}
			g = g[at+len(part):]
		}
		return g == "" || strings.HasSuffix(w, "*")
	})
	if !same {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLoadStdin(t *testing.T) {
	in := load(t, Options{Stdin: strings.NewReader(fmt.Sprintf(service, "a"))}, "-", "-")
	compare(t, summary(in, ""), "Service/default/a stdin:4:3")
	in = load(t, Options{Stdin: iotest.ErrReader(os.ErrDeadlineExceeded)}, "-")
	if len(in.Problems) != 1 || in.Problems[0].Place.File != "stdin" {
		t.Errorf("problems of a broken standard input: %v", in.Problems)
	}
	if _, err := Load(t.Context(), []string{"-"}, Options{}); err == nil {
		t.Error("standard input was read without being given")
	}
}

func TestLoadWrongUse(t *testing.T) {
	dir := write(t, map[string]string{"list.yaml": "- a", "bad.yaml": "a: [hunter2"})
	for name, o := range map[string]Options{
		"exclude":     {Exclude: []string{"["}},
		"version":     {KubeVersion: "latest"},
		"values":      {HelmValues: []string{filepath.Join(dir, "absent.yaml")}},
		"values list": {HelmValues: []string{filepath.Join(dir, "list.yaml")}},
		"values yaml": {HelmValues: []string{filepath.Join(dir, "bad.yaml")}},
		"set":         {HelmSet: []string{"a[x]=hunter2"}},
	} {
		_, err := Load(t.Context(), []string{dir}, o)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes the document: %v", name, err)
		}
	}
	if _, err := Load(t.Context(), nil, Options{}); err == nil {
		t.Error("no error without paths")
	}
}

func TestLoadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := write(t, map[string]string{"a.yaml": deployment, "b.yaml": deployment})
	stop := Options{Progress: func(Progress) { cancel() }}
	if _, err := Load(ctx, []string{dir}, stop); err != context.Canceled {
		t.Errorf("err = %v", err)
	}
	blocked, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	ctx, cancel = context.WithCancel(t.Context())
	go cancel()
	if _, err := Load(ctx, []string{"-"}, Options{Stdin: blocked}); err != context.Canceled {
		t.Errorf("err = %v", err)
	}
}

// TestDefinedScope expects objects of a kind that a CustomResourceDefinition in
// another file defines for the whole cluster to be in no namespace, however they
// are read, and all others to be in one.
func TestDefinedScope(t *testing.T) {
	const herds = "apiVersion: example.org/v1\nkind: Herd\nmetadata: {name: bare}\n---\napiVersion: example.org/v1\nkind: Herd\nmetadata: {name: named, namespace: shop}\n---\n" +
		"apiVersion: example.com/v1\nkind: Herd\nmetadata: {name: other}\n---\napiVersion: example.org/v1\nkind: Ox\nmetadata: {name: bess}\n"
	dir := write(t, map[string]string{
		"a.yaml": herds,
		"z.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: herds.example.org}\n" +
			"spec: {group: example.org, scope: Cluster, names: {kind: Herd, plural: herds}}\n",
	})
	in := load(t, Options{}, dir)
	again, err := Objects(t.Context(), &tree.File{Name: "a.yaml", Text: herds}, Options{Definitions: in.Objects})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"bare": "", "named": "", "other": "default", "bess": "default", "herds.example.org": ""}
	for _, objects := range [][]*model.Object{in.Objects, again} {
		if len(objects) < 4 {
			t.Fatalf("%d objects", len(objects))
		}
		for _, o := range objects {
			if namespace, ok := want[o.Key.Name]; !ok || o.Key.Namespace != namespace {
				t.Errorf("%s is in namespace %q, want %q", o.Key.Name, o.Key.Namespace, namespace)
			}
		}
	}
}

// TestResourcesAreNamed expects custom objects to have the plural of a definition
// that was read in another file, and no others to have one.
func TestResourcesAreNamed(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": "apiVersion: example.org/v1\nkind: Ox\nmetadata: {name: bess}\n---\napiVersion: example.com/v1\nkind: Ox\nmetadata: {name: other}\n",
		"b.yaml": deployment,
		"z.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: oxen.example.org}\n" +
			"spec: {group: example.org, scope: Namespaced, names: {kind: Ox, plural: oxen}}\n",
	})
	want := map[string]string{"bess": "oxen", "other": "", "web": "", "oxen.example.org": ""}
	for _, o := range load(t, Options{}, dir).Objects {
		if resource, ok := want[o.Key.Name]; !ok || o.Resource != resource {
			t.Errorf("%s has the plural %q", o.Key, o.Resource)
		}
		delete(want, o.Key.Name)
	}
	if len(want) > 0 {
		t.Errorf("not read: %v", want)
	}
}
