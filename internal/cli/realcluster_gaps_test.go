//go:build integration

package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"ullage.dev/ullage/internal/model"
)

// gate is a proxy in front of the API server that refuses to list one resource.
type gate struct {
	*httptest.Server
	mu     sync.Mutex
	closed string          // path of what is refused
	asked  map[string]bool // paths that were listed
}

func (c *realCluster) gate() *gate {
	target, err := url.Parse(c.server.Admin.Host)
	if err != nil {
		c.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	if proxy.Transport, err = rest.TransportFor(c.server.Admin); err != nil {
		c.t.Fatal(err)
	}
	g := &gate{asked: map[string]bool{}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		refused := r.URL.Path == g.closed
		if r.URL.Query().Has("limit") {
			g.asked[r.URL.Path] = true
		}
		g.mu.Unlock()
		if refused {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}`)
			return
		}
		r.Header.Del("Authorization") // the transport brings its own
		proxy.ServeHTTP(w, r)
	}))
	c.t.Cleanup(g.Close)
	return g
}

// close lets a path be refused, "" none.
func (g *gate) close(path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = path
}

// paths returns what was listed.
func (g *gate) paths() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.asked))
}

// asks are questions whose exit code is 3 where the answer is not known.
var asks = []string{
	"net can storefront/storefront data/postgres:5432",
	"net can checkout/checkout checkout/payment-gateway:8443",
	"net can odd/web data/postgres:5432",
	"net exposed",
	"access can sa:ops/default get secrets",
	"access can sa:storefront/storefront create jobs.batch -n ops",
	"attack-paths",
	"attack-paths --start pod/catalog/search --to secret/odd/s",
}

// pictures is what a test holds of the answers of one reading.
type pictures struct {
	findings, unknown map[string]string // kind of the object, by "rule object"
	problems          string
	codes             []int
	secrets, storage  inventoryTold
}

// inventoryTold is what a test holds of an inventory.
type inventoryTold struct {
	// entries are the entries, by what they are about, with what is told of each: the
	// findings, readers and consumers of a Secret, or the users of a volume.
	entries map[string][]string
	doubted map[string]bool // the entries of which something is not known
	unknown []string        // of all of them
	code    int
}

// inventoryOf asks for one of the inventories of what was read.
func inventoryOf(t *testing.T, command, file string) inventoryTold {
	o := ullage(t, command, "-o", "json", "--from", file)
	var r struct {
		Secrets, Volumes []struct {
			Kind, Namespace, Name, Workload, State string
			Consumers                              []struct{ Object, How string }
			Readers                                []struct{ Subject, By string }
			Users                                  []struct{ Workload, Volume string }
			Findings                               []struct{ ID, Object string }
			Unknown                                []string
		}
		Unknown []string
	}
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("%s: exit code %d: %v: %s", command, o.code, err, o.stderr)
	}
	told := inventoryTold{entries: map[string][]string{}, doubted: map[string]bool{}, unknown: r.Unknown, code: o.code}
	for _, e := range append(r.Secrets, r.Volumes...) {
		of := strings.Join([]string{e.Kind, e.Namespace, e.Name, e.Workload}, " ")
		all := []string{}
		for _, f := range e.Findings {
			all = append(all, "finding "+f.ID+" of "+f.Object)
		}
		for _, c := range e.Consumers {
			all = append(all, "consumer "+c.Object+" "+c.How)
		}
		for _, reader := range e.Readers {
			all = append(all, "reader "+reader.Subject)
		}
		for _, u := range e.Users {
			all = append(all, "user "+u.Workload+" "+u.Volume)
		}
		if e.State == "absent" {
			all = append(all, "absent")
		}
		told.entries[of] = append(told.entries[of], all...)
		told.doubted[of] = told.doubted[of] || len(e.Unknown) > 0
	}
	return told
}

// look reads the cluster, and asks what was read.
func (c *realCluster) look(config string, ask bool) *pictures {
	file := filepath.Join(c.t.TempDir(), "saved.gz")
	args := []string{"check", "--cluster", "--kubeconfig", config, "--profile", "all", "-o", "json"}
	if ask {
		args = append(args, "--save", file)
	}
	o := ullage(c.t, args...)
	r := readReport(c.t, o)
	p := &pictures{findings: map[string]string{}, unknown: map[string]string{}, problems: r.problems()}
	for _, f := range r.Findings {
		p.findings[fmt.Sprintf("%s %s/%s/%s", f.Rule, f.Object.Kind, f.Object.Namespace, f.Object.Name)] = f.Object.Kind
	}
	for _, u := range r.Unknowns {
		p.unknown[fmt.Sprintf("%s %s/%s/%s", u.Rule, u.Object.Kind, u.Object.Namespace, u.Object.Name)] = u.Object.Kind
	}
	for _, question := range asks {
		if ask {
			p.codes = append(p.codes, ullage(c.t, append(strings.Fields(question), "--from", file)...).code)
		}
	}
	if ask {
		p.secrets, p.storage = inventoryOf(c.t, "secrets", file), inventoryOf(c.t, "storage", file)
	}
	return p
}

// eachKind refuses one resource after the other: nothing is wrong then that was
// right, and nothing is right that was wrong, only unknown.
func (c *realCluster) eachKind() {
	t := c.t
	g := c.gate()
	config := c.server.Kubeconfig(t, "dev", "none", g.URL)
	full := c.look(config, true)
	if full.problems != "" {
		t.Fatal(full.problems)
	}
	kinds := map[string]string{} // by the end of a path
	for r := range model.Resources() {
		kinds[r.Group+"/"+r.Plural] = r.Kind
	}
	paths := g.paths()
	if len(paths) < 40 {
		t.Fatalf("only %d resources are listed: %v", len(paths), paths)
	}
	changed := 0
	for _, path := range paths {
		parts := strings.Split(path, "/") // "", api, v1, pods, or "", apis, apps, v1, deployments
		kind := kinds[strings.Join(parts[2:len(parts)-2], "/")+"/"+parts[len(parts)-1]]
		if kind == "" {
			t.Errorf("%s: of what kind is that?", path)
		}
		g.close(path)
		_, listed := c.send(http.MethodGet, path+"?limit=1", "")
		part := c.look(config, !strings.Contains(listed, `"items":[]`))
		if !strings.HasPrefix(part.problems, parts[len(parts)-1]) || !strings.Contains(part.problems, "may not be listed") {
			t.Errorf("%s: problems %q", path, part.problems)
		}
		changed += c.compare(path, kind, full, part)
	}
	if changed < 30 {
		t.Errorf("only %d answers became unknown: this shows nothing", changed)
	}
}

// compare holds what is said without a kind against what is said with it, and
// returns how many answers became unknown.
func (c *realCluster) compare(without, kind string, full, part *pictures) (changed int) {
	for at, of := range part.findings {
		if full.findings[at] == "" && !allowed(at, of) {
			c.t.Errorf("without %s: %s is found, and is right", without, at)
		}
	}
	for at, of := range full.findings {
		switch {
		case part.findings[at] != "" || of == kind:
		case part.unknown[at] != "":
			changed++
		default:
			c.t.Errorf("without %s: %s is neither found nor unknown", without, at)
		}
	}
	for at, of := range full.unknown {
		if part.unknown[at] == "" && part.findings[at] == "" && of != kind {
			c.t.Errorf("without %s: %s is unknown no more", without, at)
		}
	}
	for i, code := range part.codes {
		ask := asks[i]
		switch {
		case code == full.codes[i]:
		case code == exitIncomplete:
			changed++
		default:
			c.t.Errorf("without %s: %s ends with %d, and with %d when all is read", without, ask, code, full.codes[i])
		}
	}
	if part.codes != nil {
		changed += c.compareInventories(without+", secrets", full.secrets, part.secrets) + c.compareInventories(without+", storage", full.storage, part.storage)
	}
	return changed
}

// compareInventories holds what one command tells without a kind against what it
// tells with it: all that is missing is doubted, and nothing is told that is wrong.
func (c *realCluster) compareInventories(without string, full, part inventoryTold) (changed int) {
	for of, told := range full.entries {
		for _, what := range told {
			switch {
			case slices.Contains(part.entries[of], what):
			case part.code != exitIncomplete:
				c.t.Errorf("without %s: %s: %s is not told, and the command ends with %d", without, of, what, part.code)
			case part.doubted[of] || len(part.unknown) > len(full.unknown):
				changed++
			default:
				c.t.Errorf("without %s: %s: %s is not told, and nothing is unknown", without, of, what)
			}
		}
	}
	for of, told := range part.entries {
		for _, what := range told {
			rule, isFinding := strings.CutPrefix(what, "finding ")
			made := strings.Contains(what, " Pod/") || strings.Contains(what, " ReplicaSet/") // which stand for themselves when their owner is not there
			if slices.Contains(full.entries[of], what) || made || isFinding && allowed(rule, "") {
				continue
			}
			c.t.Errorf("without %s: %s: %s is told, and is not so", without, of, what)
		}
	}
	return changed
}

// allowed are findings that a gap brings and that are right all the same.
func allowed(at, of string) bool {
	rule, _, _ := strings.Cut(at, " ")
	if of == "Pod" || of == "ReplicaSet" { // judged themselves when their owner is not there
		return true
	}
	// A finding that is a part of a graver one stands alone when the graver one is unknown.
	return slices.Contains([]string{"network-policy-missing-ingress", "attack-path-node", "attack-path-cluster-admin-long"}, rule)
}
