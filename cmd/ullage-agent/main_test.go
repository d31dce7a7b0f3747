package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What a root process on every node is made of. Whoever adds to it says why.
var (
	packages = strings.Fields("agent behavior cluster credential enforce model purl sensor store tree vuln")
	modules  = strings.Fields(`
		github.com/cilium/ebpf
		k8s.io/api k8s.io/apimachinery k8s.io/client-go k8s.io/klog/v2 k8s.io/kube-openapi k8s.io/utils sigs.k8s.io/json sigs.k8s.io/randfill
		sigs.k8s.io/structured-merge-diff/v6 sigs.k8s.io/yaml github.com/davecgh/go-spew github.com/emicklei/go-restful/v3 github.com/fxamacker/cbor/v2
		github.com/go-logr/logr github.com/go-openapi/jsonpointer github.com/go-openapi/jsonreference github.com/go-openapi/swag github.com/go-openapi/swag/cmdutils
		github.com/go-openapi/swag/conv github.com/go-openapi/swag/fileutils github.com/go-openapi/swag/jsonutils github.com/go-openapi/swag/loading
		github.com/go-openapi/swag/mangling github.com/go-openapi/swag/netutils github.com/go-openapi/swag/pools github.com/go-openapi/swag/stringutils
		github.com/go-openapi/swag/typeutils github.com/go-openapi/swag/yamlutils github.com/google/gnostic-models github.com/json-iterator/go
		github.com/modern-go/concurrent github.com/modern-go/reflect2 github.com/munnerz/goautoneg github.com/x448/float16 gopkg.in/inf.v0 google.golang.org/protobuf
		modernc.org/libc modernc.org/mathutil modernc.org/memory modernc.org/sqlite github.com/dustin/go-humanize github.com/google/uuid github.com/remyoudompheng/bigfft
		github.com/pandatix/go-cvss github.com/spf13/pflag go.yaml.in/yaml/v2 go.yaml.in/yaml/v3
		golang.org/x/net golang.org/x/oauth2 golang.org/x/sys golang.org/x/term golang.org/x/text golang.org/x/time`)
)

// TestDependencies holds the agent to what it needs: no Helm, no CEL, no registry.
func TestDependencies(t *testing.T) {
	const own = "ullage.dev/ullage"
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{with .Module}}{{.Path}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, internal := strings.CutPrefix(path, own+"/internal/")
		switch {
		case internal:
			seen[name] = true
			if !slices.Contains(packages, name) {
				t.Errorf("it has %s now", path)
			}
		case module != "" && module != own && !seen[module]:
			seen[module] = true
			if !slices.Contains(modules, module) {
				t.Errorf("it has %s now, by %s", module, path)
			}
		}
	}
	for _, name := range slices.Concat(packages, modules) {
		if !seen[name] {
			t.Errorf("it has %s no more: take it from the list", name)
		}
	}
}
