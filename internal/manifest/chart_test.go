package manifest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	v2util "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const storefront = "testdata/charts/storefront"

const storefrontObjects = `StatefulSet/default/storefront-cache charts/cache/templates/statefulset.yaml:4
ConfigMap/default/storefront templates/configmap.yaml:4
Secret/default/storefront templates/configmap.yaml:11
Deployment/default/storefront templates/deployment.yaml:5
Job/default/storefront-migrate templates/migrate.yaml:4
ServiceAccount/default/storefront templates/rbac.yaml:6
Service/default/storefront templates/service.yaml:5
Ingress/default/shop-example-test templates/service.yaml:18
Ingress/default/www-shop-example-test templates/service.yaml:18
Pod/default/storefront-connection templates/tests/connection.yaml:4
`

func TestChart(t *testing.T) {
	in := load(t, Options{}, storefront)
	compare(t, summary(in, storefront), storefrontObjects+"CustomResourceDefinition/vouchers.shop.example.test crds/voucher.yaml:4:3")
	for _, o := range in.Objects {
		if crd := o.Key.Kind == "CustomResourceDefinition"; crd != (o.Source.Origin == nil) {
			t.Errorf("%s: origin %v", o.Key, o.Source.Origin)
		}
	}
	again := load(t, Options{}, storefront+"/Chart.yaml")
	if summary(again, storefront) != summary(in, storefront) || again.Digest != in.Digest {
		t.Error("a Chart.yaml is not read as its chart")
	}
}

// TestChartPlaces holds that each field points at the line of the template that
// made it.
func TestChartPlaces(t *testing.T) {
	in := load(t, Options{HelmSet: []string{"debug=true", "sidecars[0].name=proxy", "sidecars[0].image=envoy", "nodeSelector.disk=ssd"}}, storefront)
	web := find(t, in, "Deployment", "storefront")
	for _, tt := range []struct {
		path string
		want string
	}{
		{"kind", "templates/deployment.yaml:3"},
		{"metadata.name", "templates/deployment.yaml:5"},
		{"metadata.labels", "templates/deployment.yaml:6"},
		{`metadata.labels["app.kubernetes.io/instance"]`, "templates/deployment.yaml:7"},
		{"spec.replicas", "templates/deployment.yaml:9"},
		{"spec.template.spec.nodeSelector", "templates/deployment.yaml:21"},
		{"spec.template.spec.nodeSelector.disk", "templates/deployment.yaml:22"},
		{"spec.template.spec.containers[0].securityContext", "templates/deployment.yaml:28"},
		{"spec.template.spec.containers[0].securityContext.privileged", "templates/deployment.yaml:29"},
		{"spec.template.spec.containers[0].env[0].name", "templates/deployment.yaml:38"},
		{"spec.template.spec.containers[0].env[1].name", "templates/deployment.yaml:38"},
		{"spec.template.spec.containers[0].env[1].value", "templates/deployment.yaml:39"},
		{"spec.template.spec.containers[0].resources.limits.memory", "templates/deployment.yaml:42"},
		{"spec.template.spec.containers[1].image", "templates/deployment.yaml:45"},
		{"spec.template.spec.volumes", "templates/_helpers.tpl:12"},
		{"spec.template.spec.volumes[0].emptyDir", "templates/_helpers.tpl:14"},
	} {
		p, err := tree.ParsePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		n := web.Root.Follow(p)
		if n == nil {
			t.Errorf("%s is absent", tt.path)
			continue
		}
		if got := web.Source.Place(n); got.String() != storefront+"/"+tt.want || got.Rendered != "helm" {
			t.Errorf("%s: at %+v, want %s", tt.path, got, tt.want)
		}
	}
}

func find(t *testing.T, in *Input, kind, name string) *model.Object {
	t.Helper()
	for _, o := range in.Objects {
		if o.Key.Kind == kind && o.Key.Name == name {
			return o
		}
	}
	t.Fatalf("no %s/%s among %d objects, problems %v", kind, name, len(in.Objects), in.Problems)
	return nil
}

func TestChartValues(t *testing.T) {
	dir := write(t, map[string]string{"one.yaml": "replicas: 3\nport: 81\n", "two.yaml": "replicas: 4\ncache: {enabled: false}\n"})
	in := load(t, Options{
		HelmValues: []string{filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yaml")}, HelmSet: []string{"port=82,image.tag=v9"}, Namespace: "shop",
	}, storefront)
	web := find(t, in, "Deployment", "storefront")
	container := web.Root.Dig("spec", "template", "spec", "containers").At(0)
	got := fmt.Sprint(web.Key.Namespace, " ", web.Root.Dig("spec", "replicas").Text(), " ", container.Get("ports").At(0).Get("containerPort").Text(), " ", container.Get("image").Str())
	if want := "shop 4 82 registry.example.test/storefront:v9"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, o := range in.Objects {
		if o.Key.Kind == "StatefulSet" {
			t.Error("a disabled subchart was rendered")
		}
	}
}

// TestChartAgreesWithHelm renders charts with Helm's own engine too.
func TestChartAgreesWithHelm(t *testing.T) {
	functions := write(t, map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: functions\nversion: 1.0.0\n",
		"values.yaml": "a: {b: [1, two, 3.5, null], c: {d: x}}\ntext: \"one\\ntwo\"\nempty: null\n",
		"templates/all.yaml": `{{- define "x" }}[{{ . }}{{ .absent }}]{{ end }}
{{ toYaml .Values.a }} {{ toYamlPretty .Values.a }} {{ toJson .Values.a }} {{ toToml .Values.a.c }} {{ mustToYaml .Values.a.c }}
{{ fromYaml "a: 1" }} {{ fromYamlArray "[1, 2]" }} {{ fromJson "{\"a\": 1}" }} {{ fromJsonArray "[1]" }} {{ fromToml "a = 1" }}
{{ .Values.absent }}{{ .Values.empty }} {{ print .Values.absent }} {{ printf "%s %v" "a" .Values.a }} {{ quote .Values.absent }} {{ .Values.text | nindent 3 }}
{{ include "x" .Values.a.c }} {{ template "x" .Values.a.c }} {{ tpl "{{ .Values.text | quote }}{{ include \"x\" .Values.a }}{{ .nothing }}" . }}
{{ required "need" 0 }} {{ lookup "v1" "Pod" "a" "b" }} {{ .Files.Get "note" }} {{ range .Files.Lines "note" }}<{{ . }}>{{ end }} {{ (.Files.Glob "no*").AsSecrets }}
{{ durationSeconds "90m" }} {{ durationMilliseconds 2 }} {{ durationMicroseconds "2" }} {{ durationNanoseconds "1s" }} {{ durationMinutes "90s" }} {{ durationHours "90m" }} {{ durationDays "36h" }} {{ durationWeeks "bad" }} {{ durationRoundTo "61s" "1m" }} {{ durationTruncateTo "119s" "1m" }} {{ mustToDuration 1.5 }}
{{ .Template.Name }} {{ .Template.BasePath }} {{ .Chart.IsRoot }} {{ .Chart.Name }} {{ .Release }} {{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions.Has "apps/v1" }}
{{- range $i, $v := until 3 }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $v }}{{ else }}none{{ end }}{{ range list }}{{ else }}none{{ end }}
{{ with .Values.a.c.d }}{{ . }}{{ else with 1 }}{{ end }} {{- /* comment */}} {{ dict "a" 1 | toJson }} {{ list 1 2 | join "," }} {{ "a" | repeat 3 }} {{ seq 1 3 }} {{ untilStep 0 6 2 }}
{{ $x := 1 }}{{ $x = add $x 1 }}{{ $x }} {{ semverCompare ">=1.0" "1.2.3" }} {{ regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W" }} {{ "abc" | b64enc | sha256sum }} {{ merge (dict "a" 1) (dict "b" 2) }}
{{ block "blk" . }}in {{ .Chart.Version }}{{ end }} <no value> {{ ternary "a" "b" true }} {{ get (dict "a" 1) "a" }} {{ replace "a" "b" "banana" }} {{ indent 2 "x\ny" }} {{ fromYaml ":" }}
`,
		"note": "first\nsecond\n",
	})
	for _, dir := range []string{storefront, functions} {
		want, got := byHelm(t, dir), byUs(t, dir)
		if len(got) != len(want) {
			t.Errorf("%s: %d templates, want %d", dir, len(got), len(want))
		}
		for _, g := range got {
			compareText(t, g.name, g.text, want[g.name])
			if lines := strings.Count(g.text, "\n") + 1; lines != len(g.lines) {
				t.Errorf("%s: %d lines are mapped, of %d", g.name, len(g.lines), lines)
			}
		}
	}
}

// byHelm renders a chart with Helm's loader and engine.
func byHelm(t *testing.T, dir string) map[string]string {
	t.Helper()
	c, err := chartloader.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{"sessionKey": "fixed"}
	if err := v2util.ProcessDependencies(c, values); err != nil {
		t.Fatal(err)
	}
	caps := common.DefaultCapabilities.Copy()
	version, err := common.ParseKubeVersion(DefaultKubeVersion)
	if err != nil {
		t.Fatal(err)
	}
	caps.KubeVersion = *version
	release := common.ReleaseOptions{Name: c.Name(), Namespace: "default", Revision: 1, IsInstall: true}
	top, err := commonutil.ToRenderValues(c, values, release, caps)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := engine.Render(c, top)
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

func byUs(t *testing.T, dir string) []renderedTemplate {
	t.Helper()
	l, err := newLoader(t.Context(), Options{HelmSet: []string{"sessionKey=fixed"}})
	if err != nil {
		t.Fatal(err)
	}
	real, err := realPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	u, r := &unit{kind: chartDir, path: dir, real: real, name: dir}, &result{}
	files, _ := l.chartFiles(u, r)
	c := l.loadChart(u, files, r)
	if c == nil {
		t.Fatal(r.problems)
	}
	values, err := l.chartValues(c)
	if err != nil {
		t.Fatal(err)
	}
	rendered, failures := renderTemplates(t.Context(), c.templates(values))
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	return rendered
}

func compareText(t *testing.T, name, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Errorf("%s: line %d differs: got\n%s\nwant\n%s", name, i+1, strings.Join(g[min(i, len(g)):], "\n"), strings.Join(w[min(i, len(w)):], "\n"))
			return
		}
	}
}

// pack makes an archive of a chart directory, or of other files.
func pack(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	a := tar.NewWriter(z)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if target, ok := strings.CutPrefix(files[name], "-> "); ok {
			h = &tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink}
		}
		if err := a.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := a.Write([]byte(files[name])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// filesOf reads a directory into a map, with a prefix before each name.
func filesOf(t *testing.T, dir, prefix string) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := os.DirFS(dir)
	names, err := globAll(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[prefix+name] = string(data)
	}
	return files
}

func TestChartArchive(t *testing.T) {
	files := filesOf(t, storefront, "storefront/")
	cache := map[string]string{}
	for name, content := range files {
		if rest, ok := strings.CutPrefix(name, "storefront/charts/cache/"); ok {
			cache["cache/"+rest] = content
			delete(files, name)
		}
	}
	files["storefront/charts/cache-0.2.0.tgz"] = pack(t, cache)
	dir := write(t, map[string]string{"storefront-1.4.0.tgz": pack(t, files), "other.tgz": pack(t, map[string]string{"a/b.yaml": deployment})})
	in := load(t, Options{}, dir)
	want := strings.ReplaceAll(storefrontObjects, "charts/cache/", "charts/cache-0.2.0.tgz/") + "CustomResourceDefinition/vouchers.shop.example.test crds/voucher.yaml:4"
	compare(t, summary(in, dir+"/storefront-1.4.0.tgz"), want)
	for _, o := range in.Objects {
		if o.Source.Origin == nil {
			t.Errorf("%s seems to stand in a file of its own", o.Key)
		}
	}
	in = load(t, Options{}, dir+"/other.tgz")
	compare(t, summary(in, dir), "! other.tgz: the archive holds no chart: there is no Chart.yaml in its only directory")
}

func TestBadCharts(t *testing.T) {
	const chart = "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
	bomb := strings.Repeat("x", maxChartBytes/2)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string // problems, and objects of the good chart beside
	}{
		{"no yaml", map[string]string{"Chart.yaml": "name: [hunter2"}, `Chart.yaml:1:*`},
		{"no name", map[string]string{"Chart.yaml": "apiVersion: v2\nversion: 1.0.0\n"}, "Chart.yaml: the chart cannot be loaded: validation: chart.metadata.name is required"},
		{"values", map[string]string{"Chart.yaml": chart, "values.yaml": "a: hunter2\na: 2\n"}, `values.yaml:2:1: the key "a" stands twice in one map`},
		{"parse", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "a\n{{ hunter2 \"hunter2\" }}"}, "templates/a.yaml:2: function \"hunter2\" not defined"},
		{"parse 2", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "a\n{{ if }}"}, "templates/a.yaml:2: the template cannot be parsed: missing value for if"},
		{"parse 3", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ \"hunter2 }}"}, "templates/a.yaml:1: the template cannot be parsed: unterminated quoted string"},
		{"required", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "a: b\nc: {{ required \"set shop.name\" .Values.name }}"},
			"templates/a.yaml:2: the chart refuses to render: set shop.name (give the values that the chart asks for with --values or --set)"},
		{"fail in helper", map[string]string{"Chart.yaml": chart, "values.yaml": "pw: hunter2", "templates/_h.tpl": "{{ define \"x\" }}\n{{ fail (printf \"bad %s\" .Values.pw) }}\n{{ end }}", "templates/a.yaml": "a: {{ include \"x\" . }}"},
			"templates/_h.tpl:2: the chart refuses to render; its message is made of values and not shown (*"},
		{"nil", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "a:\n- {{ .Values.a.b.c }}"}, "templates/a.yaml:2: nil pointer evaluating interface {}.b"},
		{"function", map[string]string{"Chart.yaml": chart, "values.yaml": "pw: hunter2", "templates/a.yaml": "a: {{ mustToDate \"2006\" .Values.pw }}"}, "templates/a.yaml:1: the function mustToDate fails"},
		{"absent template", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "a: {{ include \"shop.x\" . }}"}, "templates/a.yaml:1: the template \"shop.x\" is not defined"},
		{"range", map[string]string{"Chart.yaml": chart, "values.yaml": "pw: hunter2", "templates/a.yaml": "a: {{ range .Values.pw }}{{ end }}"}, "templates/a.yaml:1: the template cannot be executed"},
		{"tpl", map[string]string{"Chart.yaml": chart, "values.yaml": "pw: '{{ hunter2'", "templates/a.yaml": "a: {{ tpl .Values.pw . }}"}, "templates/a.yaml:1: tpl was given text that is not a template"},
		{"bad output", map[string]string{"Chart.yaml": chart, "values.yaml": "pw: ': hunter2: ['", "templates/a.yaml": "a: b\n\n\nc: {{ .Values.pw }}"}, "templates/a.yaml:4: *"},
		{"bad object", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ if true }}\n{{ end }}\napiVersion: v1\nkind: Service\nmetadata:\n  name: 7"}, "templates/a.yaml:6: Service: metadata.name is a*"},
		{"dependency", map[string]string{"Chart.yaml": chart + "dependencies:\n- version: 1.0.0\n  name: common\n  repository: https://example.test\n", "templates/a.yaml": "a: {{ include \"common.x\" . }}",
			"templates/b.yaml": "\n{{ if }}\n", "templates/c.yaml": "{{ fail \"no shop\" }}"},
			"Chart.yaml:6: the dependency common is missing in charts/ (run helm dependency update, or vendor it under charts/)\n" +
				"! bad/templates/b.yaml:2: the template cannot be parsed: missing value for if\n" +
				"! bad/templates/a.yaml:1: the template \"common.x\" is not defined (it may follow from the problem at bad/Chart.yaml:6)\n" +
				"! bad/templates/c.yaml:1: the chart refuses to render: no shop (give the values that the chart asks for with --values or --set)"},
		{"version", map[string]string{"Chart.yaml": chart + "kubeVersion: <1.20"}, "Chart.yaml: the chart is not for Kubernetes 1.37 (choose another version with --kube-version)"},
		{"endless loop", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ range 100000000000 }}\n{{ end }}"}, "templates/a.yaml:1: the chart takes more than 500000 steps to render"},
		{"recursion", map[string]string{"Chart.yaml": chart, "templates/_a.tpl": "{{ define \"x\" }}{{ include \"x\" . }}{{ end }}", "templates/a.yaml": "{{ include \"x\" . }}"}, "templates/_a.tpl:1: templates call each other deeper than 500 levels"},
		{"template recursion", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}"}, "templates/a.yaml:1: *"},
		{"tpl recursion", map[string]string{"Chart.yaml": chart, "values.yaml": "a: '{{ tpl .Values.a . }}'", "templates/a.yaml": "{{ tpl .Values.a . }}"}, "templates/a.yaml:1: templates call each other deeper than 500 levels"},
		{"repeat", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ repeat 1000000000 \"x\" }}"}, "templates/a.yaml:1: a function was called with too much, or for too much, data"},
		{"output", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ range 100 }}{{ repeat 10000000 \"x\" }}{{ end }}"}, "templates/a.yaml:1: the output is larger than the limit of 64 MiB"},
		{"doubling", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ $x := \"x\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}"}, "templates/a.yaml:1: a function was called with too much, or for too much, data"},
		{"list doubling", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ $x := list 1 }}{{ range 100 }}{{ $x = list $x $x }}{{ end }}\n{{ $x }}"}, "templates/a.yaml:2: a function was called with too much, or for too much, data"},
		{"circle", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ $x := dict }}{{ $_ := set $x \"x\" $x }}\n{{ $x }}"}, "templates/a.yaml:2: a function was called with too much, or for too much, data"},
		{"deep", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ $x := dict }}{{ range 2000 }}{{ $x = dict \"x\" $x }}{{ end }}\n{{ toYaml $x }}"}, "templates/a.yaml:2: a function was called with too much, or for too much, data"},
		{"widths", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ printf (repeat 1000 \"%[1]999999d\") 1 }}"}, "templates/a.yaml:1: a function was called with too much, or for too much, data"},
		{"environment", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{ env \"HOME\" }}"}, "templates/a.yaml:1: function \"env\" not defined"},
		{"link out", map[string]string{"Chart.yaml": chart, "templates/a.yaml": "-> /etc/hostname"}, "templates/a.yaml: the symbolic link leads out of the chart and was not followed (put a copy into the chart, or package it)"},
		{"archived path", map[string]string{"Chart.yaml": chart, "charts/x-1.tgz": pack(t, map[string]string{"x/../../etc/passwd": "x"})}, ": the archive holds a path that leads out of it"},
		{"archived link", map[string]string{"Chart.yaml": chart, "charts/x-1.tgz": pack(t, map[string]string{"x/Chart.yaml": chart, "x/values.yaml": "-> /etc/passwd"})}, ": the archive holds a link, which is not followed"},
		{"bomb", map[string]string{"Chart.yaml": chart, "charts/x-1.tgz": pack(t, map[string]string{"x/a": bomb, "x/b": bomb, "x/c": bomb})}, ": the chart is larger than the limit of 64 MiB or 20000 files once unpacked"},
		{"not gzip", map[string]string{"Chart.yaml": chart, "charts/x-1.tgz": "hello"}, ": is not a gzip archive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"good.yaml": deployment}
			for name, content := range tt.files {
				files["bad/"+name] = content
			}
			dir := write(t, files)
			in := load(t, Options{}, dir)
			got := summary(in, dir)
			compare(t, got, "Deployment/shop/web good.yaml:4:3\n! bad"+slash(tt.want))
			if strings.Contains(strings.ReplaceAll(got, `function "hunter2"`, ""), "hunter2") {
				t.Errorf("the problem quotes a value: %s", got)
			}
		})
	}
}

func slash(s string) string {
	if strings.HasPrefix(s, ":") {
		return s
	}
	return "/" + s
}

// TestChartFailsInPart holds that a template that fails costs its own objects.
func TestChartFailsInPart(t *testing.T) {
	dir := write(t, map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "templates/_h.tpl": "{{ define \"x\" }}{{ fail \"no\" }}{{ end }}",
		"templates/a.yaml": "{{ include \"x\" . }}", "templates/b.yaml": deployment, "templates/c.yaml": "{{ include \"x\" . }}", "templates/d.yaml": "{{ .Values.x.y }}",
	})
	compare(t, summary(load(t, Options{}, dir), dir), `Deployment/shop/web templates/b.yaml:4
! templates/_h.tpl:1: the chart refuses to render: no (give the values that the chart asks for with --values or --set)
! templates/d.yaml:1: nil pointer evaluating interface {}.y`)
}

// TestBrokenTemplate holds that a template that cannot be parsed costs its own
// objects, and the chart when others call what it should have defined.
func TestBrokenTemplate(t *testing.T) {
	files := map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "values.yaml": "a: hunter2\n",
		"templates/a.yaml": "a: 1\nb: {{ .Values.a } }}", "templates/b.yaml": deployment + "# {{ include (print $.Template.BasePath \"/a.yaml\") . | sha256sum }}\n",
		"templates/c.yaml": "{{ end }}",
	}
	dir := write(t, files)
	compare(t, summary(load(t, Options{}, dir), dir), `Deployment/shop/web templates/b.yaml:4
! templates/a.yaml:2: the template cannot be parsed: unexpected "}" in operand
! templates/c.yaml:1: the template cannot be parsed: unexpected {{end}}`)
	files["templates/a.yaml"] = "{{ define \"x\" }}{{ hunter2 | \"hunter2\" . }}{{ end }}"
	dir = write(t, files)
	compare(t, summary(load(t, Options{}, dir), dir), `! templates/a.yaml:1: function "hunter2" not defined (other templates call what it defines, so nothing of the chart was rendered)`)
}

func TestParseErrorsQuoteNoText(t *testing.T) {
	for _, tt := range []struct{ template, want string }{
		{"{{ .a } }}", `unexpected "}" in operand`},
		{"{{ $x }}", `undefined variable "$x"`},
		{"{{ \"hunter2\" := 1 }}", `unexpected ":=" in operand`},
		{"{{ 1 \"hunter2\" . | 2hunter2 }}", "bad number syntax: text"},
		{"{{ .a", "unclosed action"},
		{"{{ if 1 }}", "unexpected EOF"},
		{"{{ template hunter2 }}", "unexpected text in template clause"},
		{"{{ (print 1 }}", "unclosed left paren"},
		{"{{ .a @ }}", `unexpected "@" in operand`},
		{"{{ | hunter2 }}", `unexpected "|" in command`},
	} {
		_, err := template.New("x").Parse(tt.template)
		if err == nil {
			t.Fatalf("%s: parsed", tt.template)
		}
		if got := strings.TrimPrefix(parseFailure("a.yaml", err).reason, "the template cannot be parsed: "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.template, got, tt.want)
		}
	}
}

// TestDigestOfSettings holds that what charts are given is part of the digest.
func TestDigestOfSettings(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "image: a\n", "b.yaml": "image: b\n", "d.yaml": deployment})
	seen := map[string]string{}
	for name, o := range map[string]Options{
		"none": {}, "file": {HelmValues: []string{dir + "/a.yaml"}}, "other file": {HelmValues: []string{dir + "/b.yaml"}},
		"files": {HelmValues: []string{dir + "/a.yaml", dir + "/b.yaml"}}, "set": {HelmSet: []string{"image=a"}}, "other set": {HelmSet: []string{"image=b"}},
	} {
		digest := load(t, o, dir+"/d.yaml").Digest
		if other, again := seen[digest]; again {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[digest] = name
		if load(t, o, dir+"/d.yaml").Digest != digest {
			t.Errorf("%s: the digest changes", name)
		}
	}
}

func TestLibraryChart(t *testing.T) {
	in := load(t, Options{}, storefront+"/charts/common")
	compare(t, summary(in, ""), "1 passed over")
}

func globAll(root fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	return names, err
}
