package cluster

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

var kindsOfStorage = map[string]string{"storageclasses": "StorageClass", "volumeattachments": "VolumeAttachment", "csidrivers": "CSIDriver"}

// saved reads a fake cluster and saves it.
func saved(t *testing.T) (*Input, []byte) {
	t.Helper()
	f := newFake(t)
	f.items["/api/v1/configmaps"] = append(f.items["/api/v1/configmaps"],
		`{"metadata": {"name": "odd", "namespace": "shop"}, "data": {"a.b[0]": "token: ghp_canary2abcdefghijklmnopqrstuvwxyz0123", "ü": "\u2028 \"\\"}}`)
	f.items["/apis/apps/v1/deployments"] = []string{`{"metadata": {"name": "web", "namespace": "shop", "uid": "d"}, "spec": {"replicas": 2, "template": {"spec":
		{"containers": [{"name": "a", "image": "a", "args": ["--password=canary-3"], "env": [{"name": "DB_PASSWORD", "value": "canary-4"}], "resources": {"limits": {"cpu": 0.5}}}]}}}}`}
	for path, item := range map[string]string{
		"storageclasses": `"parameters": {"type": "gp3", "password": "canary-5", "restuserkey": "canary-6"}`,
		"volumeattachments": `"spec": {"source": {"inlineVolumeSpec": {"csi": {"volumeAttributes": {"password": "canary-7"}}}}},
			"status": {"attached": true, "attachmentMetadata": {"password": "canary-8", "note": "ghp_canary9abcdefghijklmnopqrstuvwxyz0123"}, "attachError": {"message": "https://u:canary-10@nas"}}`,
		"csidrivers": `"spec": {}, "status": {"note": "ghp_canaryaabcdefghijklmnopqrstuvwxyz0123"}`,
	} {
		f.groups["storage.k8s.io/v1"] = append(f.groups["storage.k8s.io/v1"], metav1.APIResource{Name: path, Kind: kindsOfStorage[path], Verbs: []string{"list"}})
		f.items["/apis/storage.k8s.io/v1/"+path] = []string{`{"metadata": {"name": "s"}, ` + item + `}`}
	}
	f.items["/api/v1/pods"] = append(f.items["/api/v1/pods"], `{"metadata": {"name": "volumes", "namespace": "shop"}, "spec": {"containers": [{"name": "a", "image": "a"}], "volumes":
		[{"name": "a", "csi": {"driver": "d", "volumeAttributes": {"password": "canary-b"}}}, {"name": "b", "flexVolume": {"driver": "d/d", "options": {"password": "canary-c"}}}]}}`)
	f.items["/apis/example.org/v1/widgets"] = []string{`{"metadata": {"name": "w", "namespace": "shop"}, "spec": {"count": 12345678901234567890}, "status": {"password": "canary-d"}}`}
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/namespaces" {
			status(w, http.StatusForbidden, "Forbidden")
		}
		return r.URL.Path == "/api/v1/namespaces"
	}
	in := f.read(Options{Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), More: func(gk model.GroupKind, _ string) bool { return gk.Kind == "Widget" }})
	var file bytes.Buffer
	if err := Save(&file, in); err != nil {
		t.Fatal(err)
	}
	return in, file.Bytes()
}

func TestSaveAndLoad(t *testing.T) {
	in, file := saved(t)
	again, err := Load(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Objects) != len(in.Objects) {
		t.Fatalf("%d objects, want %d", len(again.Objects), len(in.Objects))
	}
	credentials := 0
	for i, o := range again.Objects {
		was := in.Objects[i]
		credentials += len(o.Credentials)
		if o.Key != was.Key || o.Root.Hash() != was.Root.Hash() || !reflect.DeepEqual(o.Credentials, was.Credentials) || o.APIVersion != was.APIVersion ||
			len(o.Pods()) != len(was.Pods()) || o.System != was.System || o.Place() != was.Place() || o.Resource != was.Resource || len(o.UnknownFields) != len(was.UnknownFields) {
			t.Errorf("%s differs:\n%s %v\n%s %v", o.Key, text(o.Root), o.Credentials, text(was.Root), was.Credentials)
		}
	}
	if credentials < 4 {
		t.Errorf("%d credentials: the test shows little", credentials)
	}
	in.Objects, again.Objects = nil, nil
	if !reflect.DeepEqual(in, again) {
		t.Errorf("got  %+v\nwant %+v", again, in)
	}
	if plain := unpack(t, file); strings.Contains(plain, "canary") || !strings.Contains(plain, "[redacted]") {
		t.Errorf("secret values are in the file: %s", plain)
	} else if !strings.Contains(plain, `"count":12345678901234567890`) || !strings.Contains(plain, `"resource":"widgets"`) {
		t.Errorf("a number or a plural is lost: %s", plain)
	}
}

func unpack(t *testing.T, file []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func pack(t *testing.T, text string) []byte {
	t.Helper()
	var file bytes.Buffer
	z := gzip.NewWriter(&file)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestLoadDamaged(t *testing.T) {
	_, file := saved(t)
	for n := range len(file) { // cut off anywhere
		if _, err := Load(bytes.NewReader(file[:n])); err == nil {
			t.Fatalf("the first %d of %d bytes are read as a whole", n, len(file))
		}
	}
	for i := 10; i < len(file); i++ { // one bit wrong
		damaged := bytes.Clone(file)
		damaged[i] ^= 4
		if _, err := Load(bytes.NewReader(damaged)); err == nil && unpack(t, damaged) != unpack(t, file) {
			t.Fatalf("byte %d of %d is wrong, and nobody sees it", i, len(file))
		}
	}
	plain := unpack(t, file)
	lines := strings.SplitAfter(plain, "\n")
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"other":        {[]byte("apiVersion: v1\n"), "no saved cluster"},
		"empty":        {nil, "no saved cluster"},
		"other gzip":   {pack(t, `{"kind": "List"}`), "no saved cluster"},
		"newer":        {pack(t, strings.Replace(plain, `"version":1`, `"version":2`, 1)), "reads format 1"},
		"cut off":      {file[:len(file)/2], "cut off"},
		"cut at line":  {pack(t, strings.Join(lines[:4], "")), "cut off, after 3 objects"},
		"line missing": {pack(t, strings.Join(append(append([]string{}, lines[:2]...), lines[3:]...), "")), "damaged"},
		"more":         {pack(t, plain+lines[1]), "something follows its end"},
		"twice":        {append(bytes.Clone(file), file...), "something follows its end"},
		"no JSON":      {pack(t, lines[0]+"canary\n"), "the file is damaged"},
		"no object":    {pack(t, lines[0]+`{"object": ["canary"]}`+"\n"), "object 1"},
		"no type":      {pack(t, lines[0]+`{"object": {"metadata": {"name": "canary"}}}`+"\n"), "object 1"},
		"bad path":     {pack(t, lines[0]+`{"object": {"apiVersion": "v1", "kind": "Pod"}, "credentials": [{"path": [true]}]}`+"\n"), "a path is damaged"},
	} {
		if _, err := Load(bytes.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestLoadForeign reads a file that somebody else wrote, with the values still in
// it: they go no further.
func TestLoadForeign(t *testing.T) {
	_, file := saved(t)
	header, _, _ := strings.Cut(unpack(t, file), "\n")
	in, err := Load(bytes.NewReader(pack(t, header+`
{"object": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "a"}, "type": "Opaque", "data": {"a": "canary"}, "stringData": {"b": "canary"}}}
{"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "a"}, "data": {"password": "canary"}}}
{"end": {"objects": 2}}
`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range in.Objects {
		if strings.Contains(text(o.Root), "canary") {
			t.Errorf("%s: %s", o.Key, text(o.Root))
		}
	}
	if len(in.Objects[0].Credentials) != 1 || !in.Objects[1].Root.Get("data").Is(tree.Unknown) {
		t.Errorf("%+v", in.Objects)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"format":"ullage cluster snapshot","version":1,"cluster":"c","server":"v1.36.0"}` + "\n" +
		`{"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a"}]}},"credentials":[{"path":["spec","containers",0],"type":"t"}]}` + "\n" +
		`{"end":{"objects":1,"gaps":[{"group":"apps","reason":"r"}],"resources":[{"resource":"pods","objects":1}]}}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		in, err := Load(bytes.NewReader(pack(t, text)))
		if err != nil {
			return
		}
		var file bytes.Buffer
		if err := Save(&file, in); err != nil {
			t.Fatal(err)
		}
		again, err := Load(&file)
		if err != nil {
			t.Fatalf("what was saved is not read: %v", err)
		}
		if again.Digest != in.Digest {
			t.Error("the digest differs")
		}
	})
}

// TestLoadHuge reads small files that are large once unpacked: they are refused,
// and before they are in memory as a whole.
func TestLoadHuge(t *testing.T) {
	_, file := saved(t)
	header, _, _ := strings.Cut(unpack(t, file), "\n")
	object := func(filler string) string {
		return `{"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "a"}, "data": {"a": "` + filler + `"}}}` + "\n"
	}
	for name, c := range map[string]struct {
		text, want string
		most       int
	}{
		"one object":   {header + "\n" + object(strings.Repeat("x", maxObject+1<<16)), "an object is larger than 32 MiB", maxObjects},
		"the header":   {`{"format": "` + strings.Repeat("x", maxObject+1<<16), "larger than 32 MiB", maxObjects},
		"the footer":   {header + "\n" + `{"end": {"objects": 0, "problems": [{"reason": "` + strings.Repeat("x", maxObject+1<<16), "larger than 32 MiB", maxObjects},
		"behind it":    {header + "\n" + `{"end": {"objects": 0}}` + "\n" + `"` + strings.Repeat("x", maxObject+1<<16), "larger than 32 MiB", maxObjects},
		"many objects": {header + "\n" + strings.Repeat(object("x"), 4) + `{"end": {"objects": 4}}` + "\n", "more than 3 objects", 3},
		"enough":       {header + "\n" + strings.Repeat(object(strings.Repeat("x", maxObject/3+1)), 3) + `{"end": {"objects": 3}}` + "\n", "", 3},
	} {
		_, err := load(bytes.NewReader(pack(t, c.text)), c.most, maxFile)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %.200v, want %q", name, err, c.want)
		}
	}
}

// TestLoadSize holds the bound on all of a file: many objects, each small enough.
func TestLoadSize(t *testing.T) {
	const header = `{"format": "ullage cluster snapshot", "version": 1, "cluster": "c", "server": "v1.37.0"}`
	object := `{"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}, "data": {"a": "` + strings.Repeat("x", 1<<20) + `"}}}` + "\n"
	file := pack(t, header+"\n"+strings.Repeat(object, 40)+`{"end": {"objects": 40}}`+"\n")
	if _, err := load(bytes.NewReader(file), maxObjects, 48<<20); err != nil {
		t.Errorf("40 MiB of at most 48: %v", err)
	}
	for _, size := range []int64{36 << 20, 8 << 20, 10} {
		if _, err := load(bytes.NewReader(file), maxObjects, size); err == nil || !strings.Contains(err.Error(), "the file holds more than") {
			t.Errorf("40 MiB of at most %d: %v", size, err)
		}
	}
}
