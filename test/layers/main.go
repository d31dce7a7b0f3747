// Command layers holds the imports of the packages against the layers of
// ARCHITECTURE.md: strictly downward, never sideways.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"
)

const module = "ullage.dev/ullage/"

// layers, from the bottom. Whoever adds a package decides here where it stands.
var layers = [][]string{
	{"internal/tree", "internal/credential", "internal/purl"},
	{"internal/model"},
	{"internal/policy", "internal/reach", "internal/access", "internal/storage", "internal/secrets", "internal/vuln", "internal/behavior"},
	{"internal/comply", "internal/attack", "internal/csaf", "internal/platform", "internal/detect", "internal/enforce"},
	{"internal/manifest", "internal/cluster", "internal/image", "internal/advisory", "internal/advisory/advisorytest", "internal/signature", "internal/signature/signaturetest", "internal/store", "internal/sensor", "internal/audit"},
	{"internal/trim", "internal/check", "internal/fix", "internal/report", "internal/scan", "internal/sbom", "internal/vex"},
	{"internal/agent"},
	{"internal/cli"},
	{"cmd/ullage", "cmd/ullage-agent"},
}

// data are packages that hold files only: anybody above the pure core may use
// them, and they import nothing.
var data = map[string]bool{"policies": true, "frameworks": true}

// coreForbids are imports that would give the pure core a clock, a file or a
// socket. time is allowed for its types.
var coreForbids = []string{"os", "os/exec", "net", "net/http", "io/ioutil", "path/filepath"}

func main() {
	level := map[string]int{}
	for i, packages := range layers {
		for _, p := range packages {
			level[p] = i
		}
	}
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./cmd/...", "./internal/...", "./policies", "./frameworks").Output()
	if err != nil {
		log.Fatalf("layers: go list: %v", err)
	}
	bad := 0
	complain := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
		bad++
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			log.Fatalf("layers: %v", err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		own, known := level[name]
		if !known && !data[name] {
			complain("%s has no layer: give it one in test/layers and ARCHITECTURE.md", name)
		}
		for _, imported := range p.Imports {
			other, ours := strings.CutPrefix(imported, module)
			switch {
			case !ours && own <= 2 && known:
				for _, f := range coreForbids {
					if imported == f {
						complain("%s is part of the pure core and may not import %s", name, imported)
					}
				}
			case ours && data[name]:
				complain("%s holds data and may not import %s", name, other)
			case ours && !data[other] && level[other] >= own:
				complain("%s may not import %s: imports go strictly downward", name, other)
			}
		}
	}
	if bad > 0 {
		os.Exit(1)
	}
}
