package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

// No credential in a name of a file is kept, and what refers to the file still meets it.
func TestSecretsInNamesOfFiles(t *testing.T) {
	token, other := "ghp_Zk3rTq9wZk7rTq2wXk3rVq9wNk3rTqMk3r9w", "ghp_Wk3rTq9wZk7rTq2wXk3rVq9wNk3rTqMk3r9w"
	lower := tarOf(t, file{"bin/tool-" + token, 0o4755, elfText}, file{"etc/" + other + ".txt", 0, "x"}, file{"etc/link", 0, "->../bin/tool-" + token},
		file{"d/" + token + "/a.txt", 0, "x"}, file{"d/" + other + "/a.txt", 0, "x"}, file{"bin/other-" + token, 0, "x"})
	upper := tarOf(t, file{"etc/.wh." + other + ".txt", 0, ""}, file{"d/.wh." + other, 0, ""}, file{"opt/x", 0, "x"})
	cache := newMemoryCache()
	img, tree := readImage(t, savedLinked(t, lower, upper), Options{Cache: cache, Secrets: true})
	text := fmt.Sprintf("%+v", img)
	paths := 0
	for e := range tree.All() {
		text += e.Path + " " + e.Link + "\n"
		if e.Kind == File {
			paths++
		}
	}
	for key, sealed := range maps.All(cache.has) {
		form, err := unseal(key, sealed)
		if err != nil {
			t.Fatal(err)
		}
		text += form
	}
	if strings.Contains(text, token) || strings.Contains(text, other) {
		t.Errorf("a token is in it: %s", text)
	}
	if e, ok := tree.Resolve("/etc/link"); !ok || e.Mode&0o4000 == 0 {
		t.Errorf("the link leads to %+v", e)
	}
	if s := img.Secrets; paths != 4 || len(s) != 7 || s[6].Kind != "GitHub token" || s[6].Line != 0 || s[6].Doubt == "" || s[6].Path == "" || s[4].Gone+s[5].Gone+s[6].Gone != -1 {
		t.Errorf("%d files, %+v", paths, img.Secrets)
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "etc", other+".txt"), []byte("x"))
	write(t, filepath.Join(root, token, "a"), []byte("x"))
	img, tree = readImage(t, "dir:"+root, Options{Secrets: true})
	text = fmt.Sprintf("%+v", img)
	for e := range tree.All() {
		text += e.Path
	}
	if strings.Contains(text, token) || strings.Contains(text, other) || len(img.Secrets) != 1 {
		t.Errorf("%s", text)
	}
}

func TestSecretsInOtherTextsOfConfiguration(t *testing.T) {
	const token, canary = "ghp_Zk3rTq9wZk7rTq2wXk3rVq9wNk3rTqMk3r9w", "c4n4ryK3yXq9Zt7Lw2"
	text := must(json.Marshal(map[string]any{"config": map[string]any{
		"User": token, "WorkingDir": "/w/" + token, "StopSignal": token, "Volumes": map[string]any{"/v/" + token: nil, "/v/" + token + "x/y": nil}, "ExposedPorts": map[string]any{token: nil},
		"Labels": map[string]string{token: "x"}, "Env": []string{token + "=x"},
	}, "history": []map[string]any{{"created_by": `CMD ["redis-server" "--requirepass" "` + canary + `"]`, "empty_layer": true}, {"created_by": `CMD ["redis-server"]`, "empty_layer": true}}}))(t)
	c, secrets, err := readConfig(text, 0)
	all := fmt.Sprintf("%+v %+v", c, secrets)
	if err != nil || strings.Contains(all, token) || strings.Contains(all, canary) || len(c.Volumes) != 2 || len(secrets) != 9 {
		t.Errorf("%v, %d: %s", err, len(secrets), all)
	}
}
