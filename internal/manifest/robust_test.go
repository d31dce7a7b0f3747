package manifest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"ullage.dev/ullage/internal/tree"
)

// TestIrregularFiles holds that nothing hangs on what is no regular file.
func TestIrregularFiles(t *testing.T) {
	dir := write(t, map[string]string{"good.yaml": deployment})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	compare(t, summary(load(t, Options{}, dir), dir), "Deployment/shop/web good.yaml:4:3")
	got := summary(load(t, Options{}, dir+"/pipe.yaml", dir+"/socket.yaml", "/dev/zero", dir+"/good.yaml"), dir)
	compare(t, got, `Deployment/shop/web good.yaml:4:3
! pipe.yaml: is a named pipe (give a regular file, or - for standard input)
! socket.yaml: is a socket (give a regular file, or - for standard input)
! /dev/zero: is a device (give a regular file, or - for standard input)`)
	if _, _, err := readRegular(filepath.Join(dir, "pipe.yaml"), 10); err == nil || err.Error() != "is a named pipe" {
		t.Errorf("reading a pipe that took the place of a file: %v", err)
	}
}

func TestGigabyteFile(t *testing.T) {
	dir := write(t, map[string]string{"big.yaml": "", "good.yaml": deployment})
	if err := os.Truncate(filepath.Join(dir, "big.yaml"), 1<<30); err != nil {
		t.Fatal(err)
	}
	compare(t, summary(load(t, Options{}, dir), dir), "Deployment/shop/web good.yaml:4:3\n! big.yaml: is larger than the limit of 64 MiB")
}

func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := write(t, map[string]string{"a/x.yaml": deployment, "b.yaml": deployment, "good.yaml": deployment})
	for _, name := range []string{"a", "b.yaml"} {
		p := filepath.Join(dir, name)
		if err := os.Chmod(p, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.Chmod(p, 0o755); err != nil {
				t.Error(err)
			}
		})
	}
	compare(t, summary(load(t, Options{}, dir), dir), "Deployment/shop/web good.yaml:4:3\n! a: the directory cannot be listed: permission denied\n! b.yaml: permission denied")
}

// workload generates a Deployment, no two alike.
func workload(i int, r *rand.Rand) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-%d\n  namespace: team-%d\n  labels: {app: app-%d}\nspec:\n  replicas: %d\n  selector:\n    matchLabels: {app: app-%d}\n", i, i%7, i, r.IntN(5), i)
	fmt.Fprintf(&b, "  template:\n    metadata:\n      labels: {app: app-%d}\n    spec:\n      serviceAccountName: sa-%d\n      containers:\n", i, r.IntN(1000))
	for c := range 1 + r.IntN(3) {
		fmt.Fprintf(&b, "        - name: c%d\n          image: registry.example.test/app-%d:%d\n          ports:\n            - containerPort: %d\n          env:\n", c, i, r.IntN(100), 1024+r.IntN(60000))
		for e := range 1 + r.IntN(6) {
			fmt.Fprintf(&b, "            - name: SETTING_%d\n              value: \"%d\"\n", e, r.Int())
		}
		fmt.Fprintf(&b, "          resources:\n            limits: {memory: %dMi, cpu: %dm}\n          securityContext:\n            runAsNonRoot: %t\n", 16+r.IntN(999), 10+r.IntN(999), r.IntN(2) == 0)
	}
	return b.String()
}

// TestOneBrokenFile holds that a broken file changes nothing for the others,
// and that results do not depend on the number of processors.
func TestOneBrokenFile(t *testing.T) {
	files := map[string]string{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 500 {
		files[fmt.Sprintf("%03d.yaml", i)] = workload(i, r)
	}
	dir := write(t, files)
	whole := load(t, Options{}, dir)
	if len(whole.Objects) != 500 || whole.Counts.Workloads != 500 || len(whole.Problems) > 0 {
		t.Fatalf("%d objects, %v", len(whole.Objects), whole.Problems)
	}
	for i, breakage := range []string{"a: [", "\x00", "a: b: c", "- &a [*a]", "{{ x }}\napiVersion: v1\nkind: Pod", "apiVersion: v1\nkind: Pod\n", "a: 1\na: 2"} {
		broken := fmt.Sprintf("%03d.yaml", 60*i+7)
		if err := os.WriteFile(filepath.Join(dir, broken), []byte(breakage), 0o644); err != nil {
			t.Fatal(err)
		}
		one := load(t, Options{}, dir)
		if one.Counts.Failed != 1 || !strings.HasSuffix(one.Problems[0].Place.File, broken) || one.Digest == whole.Digest {
			t.Errorf("%q: %v", breakage, one.Problems)
		}
		want := slices.DeleteFunc(strings.Split(summary(whole, dir), "\n"), func(line string) bool { return strings.Contains(line, broken) })
		if got := strings.Split(summary(one, dir), "\n"); !slices.Equal(got[:499], want) {
			t.Errorf("%q changes other objects", breakage)
		}
		previous := runtime.GOMAXPROCS(1)
		alone := load(t, Options{}, dir)
		runtime.GOMAXPROCS(previous)
		if summary(alone, dir) != summary(one, dir) || alone.Digest != one.Digest {
			t.Error("one processor gives other results")
		}
		if err := os.WriteFile(filepath.Join(dir, broken), []byte(files[broken]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if again := load(t, Options{}, dir); again.Digest != whole.Digest {
		t.Error("the same input has another digest")
	}
}

func TestProgress(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": deployment, "b/kustomization.yaml": "resources: [c.yaml]", "b/c.yaml": deployment, "d.yaml": ""})
	var last Progress
	load(t, Options{Progress: func(p Progress) { last = p }}, dir)
	if last.Done != last.Total || last.Total != 4 {
		t.Errorf("progress ended at %+v", last)
	}
}

// TestNoSecrets puts a value into every place of broken input, and looks for it
// in all that is said about it.
func TestNoSecrets(t *testing.T) {
	const canary = "hunter2canary"
	bad := []string{
		"password: %s: x", "password: [%s", "a: \"%s", "- %s\nb: c", "apiVersion: v1\nkind: Secret\nmetadata: {name: [%s]}", "apiVersion: v1\nkind: Secret\nmetadata: {name: x, labels: {a: {b: %s}}}",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: [%s]", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: {b: %s}}", "!!binary %s", "*%s", "a: &x %s\nb: *y", "a: !!int %s", "\t%s: x", "{%s: ", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: %s}",
		"apiVersion: ullage.dev/v1alpha1\nkind: Declaration\nworkloads: %s", "a: |\n  x\n %s", "%%TAG %s", "a: >-3\n %s", "? [%s]\n: x",
	}
	files := map[string]string{"c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "c/values.yaml": "pw: " + canary + "\nmap: {a: " + canary + "}\n", "k/kustomization.yaml": "resources: [r.yaml]\npatches: [{path: p.yaml}]\n", "k/r.yaml": deployment}
	for i, text := range bad {
		files[fmt.Sprintf("plain%d.yaml", i)] = strings.ReplaceAll(strings.ReplaceAll(text, "%s", canary), "%%", "%")
	}
	for i, call := range []string{
		"fail .Values.pw", "required .Values.pw .Values.none", "fromJson .Values.pw | get 1", "index .Values.pw 1", ".Values.pw.x.y", "mustToDate \"2006\" .Values.pw", "tpl (print \"{{\" .Values.pw) .", "include .Values.pw .",
		"int .Values.pw | repeat -1", "semver .Values.pw", "mustRegexMatch (print \"(\" .Values.pw) \"a\"", "range .Values.pw }}{{ end", "template \"x\" .Values.pw.x", "b64dec .Values.pw", "urlParse (print \":\" .Values.pw)", "toYaml .Values.pw | nindent \"" + canary + "\"", "index .Values.map.a \"x\"", "merge .Values.pw dict", "lt .Values.pw 1",
		"decryptAES .Values.pw .Values.pw", "mustToDuration .Values.pw", "call .Values.pw", "slice .Values.pw 99", "printf \"x: [%s\" .Values.pw", "dict .Values.pw", "first .Values.pw", "mustFromJson .Values.pw", "buildCustomCert .Values.pw .Values.pw", "atoi .Values.pw | div 1",
	} {
		name := fmt.Sprintf("c%d", i)
		files[name+"/Chart.yaml"], files[name+"/values.yaml"] = files["c/Chart.yaml"], files["c/values.yaml"]
		files[name+"/templates/a.yaml"] = "{{ define \"x\" }}{{ . }}{{ end }}a: {{ " + call + " }}\n"
	}
	for i, patch := range []string{"a: " + canary, "- op: replace\n  path: /x/y\n  value: " + canary, "- op: test\n  path: /kind\n  value: " + canary, "kind: " + canary + "\nmetadata: {name: x}", "apiVersion: v1\nkind: Deployment\nmetadata: {name: web}\nspec: [" + canary + "]", deployment + "\n---\n" + canary, canary} {
		name := fmt.Sprintf("k%d", i)
		files[name+"/kustomization.yaml"], files[name+"/r.yaml"], files[name+"/p.yaml"] = files["k/kustomization.yaml"], deployment, patch
	}
	for i, k := range []string{"configMapGenerator: [{name: x, literals: [" + canary + "]}]", "secretGenerator: [{name: x, envs: [e]}]", "replicas: [{name: x, count: " + canary + "}]", "images: " + canary, "vars: [{name: " + canary + "}]", "commonLabels: {a: [" + canary + "]}", "nameprefix: [" + canary + "]", "namespace: &x " + canary + "\nresources: [*x]"} {
		files[fmt.Sprintf("l%d/kustomization.yaml", i)], files[fmt.Sprintf("l%d/e", i)] = k, canary+"\n="+canary
	}
	delete(files, "k/kustomization.yaml")
	dir := write(t, files)
	in := load(t, Options{}, dir)
	if in.Counts.Failed < 45 {
		t.Errorf("only %d problems: the input is not bad enough", in.Counts.Failed)
	}
	for _, p := range in.Problems {
		if text := fmt.Sprintf("%+v", p); strings.Contains(text, canary) {
			t.Errorf("a problem quotes a document: %s", text)
		}
		if p.Place.File == "" || p.Reason == "" {
			t.Errorf("a problem without place or reason: %+v", p)
		}
	}
}

// TestOverlayAgreesWithKustomize builds overlays with the library on disk too.
func TestOverlayAgreesWithKustomize(t *testing.T) {
	for _, name := range []string{"overlays/prod", "overlays/dev", "base"} {
		in := load(t, Options{}, overlays+"/"+name)
		options := krusty.MakeDefaultOptions()
		options.LoadRestrictions = types.LoadRestrictionsNone
		restore := quieten(true)
		made, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), overlays+"/"+name)
		restore()
		if err != nil {
			t.Fatal(err)
		}
		text, err := made.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		dir := write(t, map[string]string{"want.yaml": string(text)})
		want := load(t, Options{}, dir)
		if len(want.Objects) != len(in.Objects) {
			t.Fatalf("%s: %d objects, want %d", name, len(in.Objects), len(want.Objects))
		}
		for i, o := range in.Objects {
			if !tree.Equal(o.Root, want.Objects[i].Root) {
				t.Errorf("%s: %s differs from %s", name, o.Key, want.Objects[i].Key)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{deployment, "a: [", "---\n---\n", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n- 1\n", "kind: A\nmetadata: {name: x}\n", "{{ x }}", "{% x %}", "\xff\xfe", "a: &a [*a]\n", "apiVersion: ullage.dev/v1alpha1\nkind: Declaration\n", `{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"a"}}]}`} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		p := filepath.Join(dir, "x.yaml")
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, given := range []string{p, dir} {
			in := load(t, Options{}, given)
			c := in.Counts
			if c.Documents != c.Objects+c.PassedOver+c.Failed || c.Files != 1 {
				t.Errorf("documents are lost or counted twice: %+v", c)
			}
			for _, o := range in.Objects {
				if o.Place().Line == 0 {
					t.Errorf("%s has no place", o.Key)
				}
			}
			for _, problem := range in.Problems {
				if problem.Place.File != slashed(p) {
					t.Errorf("a problem has a wrong place: %+v", problem)
				}
			}
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	files := map[string]string{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10 {
		var docs []string
		for j := range 100 {
			docs = append(docs, workload(100*i+j, r))
		}
		files[fmt.Sprintf("%d.yaml", i)] = strings.Join(docs, "---\n")
	}
	dir := write(b, files)
	for b.Loop() {
		if in := load(b, Options{}, dir); len(in.Objects) != 1000 {
			b.Fatal(in.Problems)
		}
	}
}

func BenchmarkChart(b *testing.B) {
	for b.Loop() {
		load(b, Options{}, storefront)
	}
}

func BenchmarkOverlay(b *testing.B) {
	for b.Loop() {
		load(b, Options{}, overlays+"/overlays/prod")
	}
}
