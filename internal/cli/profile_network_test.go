package cli

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"ullage.dev/ullage/internal/behavior"
)

// policed is a cluster in which a workload may connect to a database and a cache.
func policed(t *testing.T, policies ...string) string {
	pods := func(kind, name string) string {
		return fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": %q, "metadata": {"name": %q, "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": %q}}, "template": {"metadata": {"labels": {"app": %q}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}`, kind, name, name, name)
	}
	return savedCluster(t, "v1.34.0", nil, append([]string{
		`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}}`,
		pods("Deployment", "web"), pods("StatefulSet", "db"), pods("Deployment", "cache"), pods("Deployment", "other"),
		`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "shop", "creationTimestamp": "2025-01-01T00:00:00Z"}, "spec": {"clusterIP": "10.96.0.5", "selector": {"app": "db"}, "ports": [{"port": 5432, "targetPort": 15432}]}}`,
	}, policies...)...)
}

const egressOfWeb = `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": [
	{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": 15432}]}, {"to": [{"podSelector": {"matchLabels": {"app": "cache"}}}], "ports": [{"port": 6379}]}]}}`

// webWithPeers is what a workload did in two images, the second one of which is a file.
func webWithPeers(t *testing.T, second string, peers ...behavior.Peer) string {
	t.Helper()
	var all []*behavior.Behavior
	for n, image := range []string{"sha256:" + strings.Repeat("1", 64), second} {
		b := behavior.New(behavior.Subject{Cluster: "dev", Namespace: "shop", Kind: "Deployment", Name: "web", Container: "web", Image: image})
		for day := range behavior.Moment(9) {
			at := joinStart + (behavior.Moment(n)*9+day)*86400 + 3600
			seen := behavior.SeenAt(at, "shop/web-1", "")
			see := func(o behavior.Observation) {
				o.Origin, o.Program.Layer = behavior.Entrypoint, behavior.InImage
				b.Observe(o.Fact(), seen)
			}
			see(behavior.Observation{Kind: behavior.Execute, Program: behavior.File{Path: "/app/web"}})
			for _, p := range peers {
				see(behavior.Observation{Kind: behavior.Connect, Program: behavior.File{Path: "/app/web"}, Peer: p})
			}
			if n == 1 {
				for _, path := range []string{"/usr/bin/convert", "/bin/mogrify", "/app/tool"} {
					see(behavior.Observation{Kind: behavior.Execute, Program: behavior.File{Path: path}, Parent: "/app/web"})
				}
				see(behavior.Observation{Kind: behavior.Connect, Program: behavior.File{Path: "/app/web"}, Peer: behavior.Peer{Workload: "Deployment/shop/other", Protocol: "tcp", Port: 80}})
			}
		}
		from := joinStart + behavior.Moment(n)*9*86400
		b.Coverage.Watch(behavior.Interval{Replica: "shop/web-1", Session: "s", From: from, To: from + 9*86400 - 1, Whole: true})
		all = append(all, b)
	}
	path := filepath.Join(t.TempDir(), "recorded.json")
	file, err := os.Create(path)
	if err == nil {
		err = behavior.Encode(file, all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProfileGrants(t *testing.T) {
	const unknown = "sha256:2"
	db := behavior.Peer{Address: netip.MustParseAddr("10.96.0.5"), Protocol: "tcp", Port: 5432}
	outside := behavior.Peer{Address: netip.MustParseAddr("203.0.113.7"), Protocol: "tcp", Port: 443}
	answer := func(cluster, recorded string) (profileJSON, map[string]behavior.Answer) {
		t.Helper()
		var all profilesJSON
		o := ullage(t, "profile", "show", "web", "-o", "json", "--from", recorded+","+cluster)
		says(t, o, exitClean)
		if err := json.Unmarshal([]byte(o.stdout), &all); err != nil {
			t.Fatal(err)
		}
		granted := map[string]behavior.Answer{}
		for _, d := range all.Profiles[0].Deeds {
			granted[d.Peer.String()] = d.Granted
		}
		return all.Profiles[0], granted
	}
	p, granted := answer(policed(t, egressOfWeb), webWithPeers(t, unknown, db, outside))
	for peer, want := range map[string]behavior.Answer{"db.shop.svc:5432/tcp": behavior.Yes, "203.0.113.7:443/tcp": behavior.No, "Deployment/shop/other:80/tcp": behavior.No} {
		if granted[peer] != want {
			t.Errorf("%s is granted: %q, not %q", peer, granted[peer], want)
		}
	}
	if !slices.Equal(p.UnusedPeers, []string{"Deployment/shop/cache on TCP 6379"}) || p.Unused != "" {
		t.Errorf("unused: %q, %q", p.UnusedPeers, p.Unused)
	}
	for name, c := range map[string]struct {
		cluster string
		peers   []behavior.Peer
		why     string
	}{
		"no policy":            {policed(t), []behavior.Peer{db}, "any peer is granted: no network policy"},
		"an address of nobody": {policed(t, egressOfWeb), []behavior.Peer{{Address: netip.MustParseAddr("10.1.2.3"), Protocol: "tcp", Port: 80}}, "not known: it connects to 10.1.2.3:80/tcp"},
	} {
		p, _ := answer(c.cluster, webWithPeers(t, unknown, c.peers...))
		if p.UnusedPeers != nil || !strings.HasPrefix(p.Unused, c.why) {
			t.Errorf("%s: %q, %q", name, p.UnusedPeers, p.Unused)
		}
	}
	o := ullage(t, "profile", "show", "web", "--from", webWithPeers(t, unknown, db)+","+policed(t, egressOfWeb))
	says(t, o, exitClean, "Peers that are granted and not used", "in 18 of 18 days, 1 of 1 replica, nothing lost:", "    Deployment/shop/cache on TCP 6379\n")
	o = ullage(t, "profile", "show", "web", "--days", "30", "--from", webWithPeers(t, unknown, db)+","+policed(t, egressOfWeb))
	says(t, o, exitClean, "not known: too little seen")
	o = ullage(t, "profile", "diff", "web", "--from", webWithPeers(t, unknown, db)+","+policed(t, egressOfWeb))
	says(t, o, exitFindings, "granted: no, by network policies")
}

func TestProfilePackages(t *testing.T) {
	img := builtImage(t, v1.Config{}, map[string]string{
		"etc/os-release":                     "ID=debian\nVERSION_ID=\"12\"\n",
		"var/lib/dpkg/status":                "Package: imagemagick\nStatus: install ok installed\nArchitecture: amd64\nVersion: 8:6.9.11-1\n\n",
		"var/lib/dpkg/info/imagemagick.list": "/.\n/usr\n/usr/bin\n/usr/bin/convert\n/usr/bin/mogrify\n",
		"usr/bin/convert":                    elf, "usr/bin/mogrify": elf, "app/tool": elf, "app/web": elf,
	})
	archive := filepath.Join(t.TempDir(), "web.tar")
	if err := tarball.WriteToFile(archive, must(name.NewTag("shop/web:2")), img); err != nil {
		t.Fatal(err)
	}
	recorded := webWithPeers(t, must(img.ConfigName()).String())
	o := ullage(t, "profile", "diff", "web", "--from", recorded, "--image", archive)
	says(t, o, exitFindings)
	text := unwrapped(o.stdout)
	for program, want := range map[string]string{
		"/usr/bin/convert": "it belongs to package imagemagick 8:6.9.11-1 (Debian)", "/bin/mogrify": "it belongs to package imagemagick 8:6.9.11-1 (Debian)", "/app/tool": "it belongs to no package of the image",
	} {
		_, after, _ := strings.Cut(text, "new "+program+" runs")
		story, _, _ := strings.Cut(after, " new /")
		if !strings.Contains(story, want) {
			t.Errorf("of %s it does not say %q: %s", program, want, story)
		}
	}
	says(t, ullage(t, "profile", "diff", "web", "--from", recorded), exitFindings)
	says(t, ullage(t, "profile", "diff", "web", "--from", webWithPeers(t, "sha256:"+strings.Repeat("2", 64)), "--image", archive), exitUsage, "and the workload had sha256:111111111111, sha256:222222222222")
	says(t, ullage(t, "profile", "diff", "web", "--from", recorded, "--image", "nowhere.tar"), exitUsage, "--image nowhere.tar")
}
