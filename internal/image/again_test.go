package image

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func savedLinked(t testing.TB, layers ...[]byte) string {
	t.Helper()
	ref := filepath.Join(t.TempDir(), "image.tar")
	tag := must(name.NewTag("registry.example/team/app:1"))(t)
	if err := tarball.WriteToFile(ref, tag, sampleImage(t, "linux/amd64", layers...)); err != nil {
		t.Fatal(err)
	}
	return ref
}

const (
	lodash        = `{"name":"lodash","version":"4.17.15"}`
	urllib3       = "Metadata-Version: 2.1\nName: urllib3\nVersion: 1.26.4\n"
	bash          = "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n\n"
	setting       = "[db]\npassword = Zq8vT2nLx4Rk9Wd\n"
	debianRelease = "ID=debian\nVERSION_ID=12\n"
)

// storeFiles have their content under names that say nothing, as in the store of a
// package manager.
func storeFiles() (stored, linked []file) {
	stored = []file{
		{"etc/os-release", 0, debianRelease}, {"store/a", 0, lodash}, {"store/b", 0, urllib3}, {"store/c", 0, bash}, {"store/d", 0, setting},
	}
	linked = []file{
		{"app/node_modules/lodash/package.json", 0, "=>store/a"},
		{"usr/lib/python3/site-packages/urllib3-1.26.4.dist-info/METADATA", 0, "=>/store/b"},
		{"var/lib/dpkg/status", 0, "=>store/c"},
		{"app/x.ini", 0, "=>store/d"},
	}
	return stored, linked
}

func packageNames(img *Image) []string {
	var names []string
	for _, p := range img.Packages {
		names = append(names, p.Name+"@"+p.Version)
	}
	slices.Sort(names)
	return names
}

var storedPackages = []string{"bash@5.2-1", "lodash@4.17.15", "urllib3@1.26.4"}

func hasSecretAt(img *Image, path string) bool {
	return slices.ContainsFunc(img.Secrets, func(s Secret) bool { return s.Path == path })
}

func TestHardLinkIsLookedAtUnderItsName(t *testing.T) {
	stored, linked := storeFiles()
	layer := tarOf(t, slices.Concat(stored, linked)...)
	cache := newMemoryCache()
	for range 2 { // the second time out of the cache
		img, _ := readImage(t, savedLinked(t, layer), Options{Secrets: true, Cache: cache})
		if got := packageNames(img); !slices.Equal(got, storedPackages) {
			t.Errorf("packages: %q", got)
		}
		if !hasSecretAt(img, "/app/x.ini") {
			t.Errorf("no secret in /app/x.ini: %+v", img.Secrets)
		}
		if len(img.Problems) > 0 {
			t.Errorf("problems: %v", img.Problems)
		}
	}
}

// A link to a file of a lower layer, by way of links there, and of files that were
// replaced there.
func TestHardLinkToLowerLayerIsLookedAt(t *testing.T) {
	stored, linked := storeFiles()
	replaced := append([]file{{stored[0].name, 0, "{}"}}, stored...)
	var moved, aliases []file
	for _, f := range stored {
		moved = append(moved, file{"elsewhere/" + f.name, f.mode, f.text})
		aliases = append(aliases, file{f.name, 0, "=>elsewhere/" + f.name})
	}
	for what, layers := range map[string][][]byte{
		"two layers":  {tarOf(t, stored...), tarOf(t, linked...)},
		"gone since":  {tarOf(t, stored...), tarOf(t, linked...), tarOf(t, file{".wh.store", 0, ""})},
		"replaced":    {tarOf(t, replaced...), tarOf(t, linked...)},
		"links there": {tarOf(t, append(moved, aliases...)...), tarOf(t, linked...)},
		"compressed":  {gzipped(tarOf(t, stored...)), tarOf(t, file{"x", 0, "y"}), tarOf(t, linked...)},
	} {
		cache := newMemoryCache()
		ref := savedLinked(t, layers...)
		settle(t, ref)
		for range 3 { // the second time out of the cache, then with layers out of it
			img, _ := readImage(t, ref, Options{Secrets: true, Cache: cache})
			if got := packageNames(img); !slices.Equal(got, storedPackages) {
				t.Errorf("%s: packages: %q", what, got)
			}
			if !hasSecretAt(img, "/app/x.ini") || len(img.Problems) > 0 {
				t.Errorf("%s: secrets %+v, problems %q", what, img.Secrets, problemTexts(img))
			}
			for _, p := range img.Packages {
				if p.Layer < 1 {
					t.Errorf("%s: %s is of layer %d", what, p.Name, p.Layer)
				}
			}
			cache.drop("image")
		}
	}
}

// A file that has several names of which each asks for another look.
func TestHardLinksInSeveralManners(t *testing.T) {
	text := `{"name":"lodash","version":"4.17.15","password":"Zq8vT2nLx4Rk9Wd"}`
	layer := tarOf(t, file{"store/a", 0, text}, file{"a/node_modules/lodash/package.json", 0, "=>store/a"},
		file{"b/node_modules/lodash/package.json", 0, "=>a/node_modules/lodash/package.json"}, file{"etc/a.ini", 0, "=>store/a"}, file{"etc/b.ini", 0, "=>store/a"})
	img, tree := readImage(t, savedLinked(t, layer), Options{Secrets: true})
	if got := packageNames(img); !slices.Equal(got, []string{"lodash@4.17.15"}) {
		t.Errorf("packages: %q", got)
	}
	for _, path := range []string{"/etc/a.ini", "/etc/b.ini"} {
		if !hasSecretAt(img, path) {
			t.Errorf("no secret in %s: %+v", path, img.Secrets)
		}
	}
	if found := tree.Found(); len(found) != 1 || len(found[0].Paths) != 2 {
		t.Errorf("found %+v", found)
	}
}

// What a link leads to is what its target was when the link was made.
func TestHardLinkKeepsReplacedContent(t *testing.T) {
	layer := tarOf(t, file{"store/a", 0, lodash}, file{"node_modules/lodash/package.json", 0, "=>store/a"}, file{"store/a", 0, "{}"})
	img, _ := readImage(t, savedLinked(t, layer), Options{})
	if got := packageNames(img); !slices.Equal(got, []string{"lodash@4.17.15"}) {
		t.Errorf("packages: %q", got)
	}
}

func TestHardLinkThatCannotBeLookedAtIsTold(t *testing.T) {
	stored, linked := storeFiles()
	t.Run("more layers than may be", func(t *testing.T) {
		var layers [][]byte
		var links []file
		for i := range mostPasses + 1 {
			layers = append(layers, tarOf(t, file{fmt.Sprintf("store/%d", i), 0, lodash}))
			links = append(links, file{fmt.Sprintf("%d/node_modules/lodash/package.json", i), 0, fmt.Sprintf("=>store/%d", i)})
		}
		img, _ := readImage(t, savedLinked(t, append(layers, tarOf(t, links...))...), Options{})
		if len(img.Problems) != 1 || !strings.Contains(img.Problems[0].Reason, "not looked at under this name") || len(img.Packages) != mostPasses {
			t.Errorf("%q, %+v", problemTexts(img), img.Packages)
		}
	})
	t.Run("compressed archive", func(t *testing.T) {
		plain := must(os.ReadFile(savedLinked(t, tarOf(t, slices.Concat(stored, linked)...))))(t)
		ref := write(t, filepath.Join(t.TempDir(), "image.tar.gz"), gzipped(plain))
		img, _ := readImage(t, ref, Options{Secrets: true})
		for _, f := range linked {
			if !slices.ContainsFunc(problemTexts(img), func(s string) bool { return strings.Contains(s, f.name) }) {
				t.Errorf("%s is not told of: %q", f.name, problemTexts(img))
			}
		}
	})
}

func TestSecretsOfCompressedArchive(t *testing.T) {
	plain := must(os.ReadFile(savedLinked(t, tarOf(t, file{"app/x.ini", 0, setting}))))(t)
	img, _ := readImage(t, write(t, filepath.Join(t.TempDir(), "image.tar.gz"), gzipped(plain)), Options{Secrets: true})
	if !hasSecretAt(img, "/app/x.ini") {
		t.Errorf("no secret in /app/x.ini: %+v", img.Secrets)
	}
}

func problemTexts(img *Image) []string {
	var texts []string
	for _, p := range img.Problems {
		texts = append(texts, p.String())
	}
	return texts
}

func TestHardLinksOfDirectory(t *testing.T) {
	stored, linked := storeFiles()
	for _, order := range [][]string{{"store", ""}, {"zz", ""}} {
		root := t.TempDir()
		for _, f := range stored {
			write(t, filepath.Join(root, strings.Replace(f.name, "store", order[0], 1)), []byte(f.text))
		}
		for _, f := range linked {
			to := filepath.Join(root, f.name)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			from := strings.Replace(strings.TrimPrefix(strings.TrimPrefix(f.text, "=>"), "/"), "store", order[0], 1)
			if err := os.Link(filepath.Join(root, from), to); err != nil {
				t.Skip(err)
			}
		}
		img, _ := readImage(t, "dir:"+root, Options{Secrets: true})
		if got := packageNames(img); !slices.Equal(got, storedPackages) {
			t.Errorf("packages: %q", got)
		}
		if !hasSecretAt(img, "/app/x.ini") || len(img.Problems) > 0 {
			t.Errorf("secrets %+v, problems %v", img.Secrets, img.Problems)
		}
	}
}

func TestPackageDatabaseBehindSymbolicLink(t *testing.T) {
	files := []file{{"etc/os-release", 0, debianRelease}, {"opt/dpkg/status", 0, bash}, {"opt/dpkg/info/bash.list", 0, "/bin\n/bin/bash\n"}, {"bin/bash", 0, "x"}, {"var/lib/dpkg", 0, "->../../opt/dpkg"}}
	root := t.TempDir()
	for _, f := range files[:4] {
		write(t, filepath.Join(root, f.name), []byte(f.text))
	}
	if err := os.MkdirAll(filepath.Join(root, "var/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/opt/dpkg", filepath.Join(root, "var/lib/dpkg")); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{savedLinked(t, tarOf(t, files...)), "dir:" + root} {
		img, _ := readImage(t, ref, Options{})
		if len(img.Packages) != 1 || img.Packages[0].Name != "bash" || !slices.Equal(img.Packages[0].Files, []string{"/bin/bash"}) || len(img.Problems) > 0 {
			t.Errorf("%s: %+v, %v", ref, img.Packages, img.Problems)
		}
	}
}

func TestMissingPackageDatabaseIsTold(t *testing.T) {
	base := tarOf(t, file{"etc/os-release", 0, debianRelease}, file{"var/lib/dpkg/status", 0, bash}, file{"app/node_modules/lodash/package.json", 0, lodash})
	for what, layers := range map[string][][]byte{
		"deleted":   {base, tarOf(t, file{"var/lib/.wh.dpkg", 0, ""})},
		"empty":     {base, tarOf(t, file{"var/lib/dpkg/status", 0, ""})},
		"elsewhere": {base, tarOf(t, file{"var/lib/dpkg", 0, "->/opt/none"})},
		"rpm":       {tarOf(t, file{"etc/os-release", 0, "ID=rocky\nVERSION_ID=9.3\n"})},
	} {
		img, _ := readImage(t, savedLinked(t, layers...), Options{})
		if n := len(slices.DeleteFunc(problemTexts(img), func(s string) bool { return !strings.Contains(s, "what the distribution installed is not known") })); n != 1 {
			t.Errorf("%s: told %d times: %q", what, n, problemTexts(img))
		}
	}
	static := tarOf(t, file{"etc/os-release", 0, debianRelease}, file{"var/lib/dpkg/status.d/base-files", 0, "Package: base-files\nVersion: 12\nArchitecture: amd64\n"})
	for what, layer := range map[string][]byte{"distroless": static, "no distribution": tarOf(t, file{"app", 0, "x"}), "another's": tarOf(t, file{"etc/os-release", 0, "ID=homemade\n"})} {
		if img, _ := readImage(t, savedLinked(t, layer), Options{}); len(img.Problems) > 0 {
			t.Errorf("%s: %q", what, problemTexts(img))
		}
	}
}

// What a package says of itself is text of the image: no credential in it is kept.
func TestSecretsInTextsOfPackages(t *testing.T) {
	const canary = "c4n4ryK3yXq9Zt7Lw2"
	layer := tarOf(t,
		file{"app/node_modules/a/package.json", 0, `{"name":"a","version":"1.0.0","license":"https://u:` + canary + `@host/lic"}`},
		file{"app/node_modules/b/package.json", 0, `{"name":"b","version":"git+https://u:` + canary + `@host/b","license":"MIT"}`},
		file{"usr/lib/python3/site-packages/c-1.dist-info/METADATA", 0, "Metadata-Version: 2.1\nName: c\nVersion: 1\nLicense: token=" + canary + "\n"})
	cache := newMemoryCache()
	img, _ := readImage(t, savedLinked(t, layer), Options{Cache: cache})
	if text := fmt.Sprintf("%+v", img); strings.Contains(text, canary) || len(img.Packages) != 3 {
		t.Errorf("%s", text)
	}
	for key, sealed := range cache.has {
		if form, err := unseal(key, sealed); err != nil || strings.Contains(form, canary) {
			t.Errorf("%s: %v, or the value is in it", key, err)
		}
	}
}

func TestEntrypointAndCommandAreOne(t *testing.T) {
	const canary = "c4n4ryK3yXq9Zt7Lw2"
	for _, test := range [][2][]string{
		{{"mysql"}, {"-u", "root", "-p" + canary}},
		{{"/usr/bin/sshpass", "-p"}, {canary, "ssh", "host"}},
		{{"redis-cli"}, {"-a", canary}},
		{{"curl"}, {"-u", "admin:" + canary}},
		{{"docker-entrypoint.sh"}, {"mysql", "-p" + canary}},
		{{"/app", "--password"}, {canary}},
	} {
		text := must(json.Marshal(map[string]any{"config": map[string]any{"Entrypoint": test[0], "Cmd": test[1]}}))(t)
		c, secrets, err := readConfig(text, 0)
		if err != nil || strings.Contains(fmt.Sprint(c.Entrypoint, c.Command), canary) || len(secrets) != 1 || len(c.Command) != len(test[1]) || !slices.Equal(c.Entrypoint, test[0]) {
			t.Errorf("%q: %v, %q %q, %+v", test, err, c.Entrypoint, c.Command, secrets)
		}
	}
}

func TestSecretsInNamesOfConfiguration(t *testing.T) {
	const canary = "c4n4ryK3yXq9Zt7Lw2"
	config := map[string]any{
		"Env":    []string{"PGPASS=" + canary, "GITHUB_PAT=" + canary, "DB_PW=" + canary, "MYSQL_ROOT_PW=" + canary, "AUTH=Basic " + canary, "PATH=/usr/bin", "SPAT=x"},
		"Labels": map[string]string{baseName: "u:" + canary + "@registry.example/base:1"},
	}
	c, secrets, err := readConfig(must(json.Marshal(map[string]any{"config": config}))(t), 0)
	if err != nil || strings.Contains(fmt.Sprintf("%+v", c), canary) || len(secrets) != 6 || c.Env[5].Value != "/usr/bin" {
		t.Errorf("%v %+v %+v", err, c, secrets)
	}
	if b := findBase(&c, nil, map[string]string{baseName: "u:" + canary + "@registry.example/base:1"}); strings.Contains(fmt.Sprint(b), canary) {
		t.Errorf("%+v", b)
	}
	pinned := "registry.example:5000/base:1@sha256:" + strings.Repeat("ab", 32)
	if b := findBase(&Config{}, nil, map[string]string{baseName: pinned}); b.Name != pinned {
		t.Errorf("%+v", b)
	}
}

func TestReleaseByCodename(t *testing.T) {
	img, _ := readImage(t, savedLinked(t, tarOf(t, file{"etc/os-release", 0, "ID=debian\nVERSION_CODENAME=bookworm\n"}, file{"var/lib/dpkg/status", 0, bash})), Options{})
	if img.Distro.Version != "12" {
		t.Errorf("%+v", img.Distro)
	}
}

func TestNPMWithoutVersionIsNotLost(t *testing.T) {
	img, _ := readImage(t, savedLinked(t, tarOf(t, file{"app/node_modules/a/package.json", 0, `{"name":"a"}`}, file{"app/node_modules/b/package.json", 0, `{"type":"module"}`})), Options{})
	if len(img.Packages) != 1 || img.Packages[0].Identified() || img.Packages[0].PURL != "" {
		t.Errorf("%+v", img.Packages)
	}
}

func TestPomProperties(t *testing.T) {
	for _, test := range []struct{ file, text, name, version string }{
		{"/a.jar", "groupId: org.acme\nartifactId:core\nversion : 1.2\n", "org.acme:core", "1.2"},
		{"/a.jar", "groupId org.acme\n  artifactId\tcore\nversion 1.2\n", "org.acme:core", "1.2"},
		{"/a.jar", "groupId=org.acme\nartifactId=core\n", "org.acme:core", ""},
		{"/core-1.3.jar", "groupId=org.acme\nartifactId=core\n", "org.acme:core", "1.3"},
	} {
		r := jarReader{seen: map[[2]string]bool{}}
		if !r.pom([]byte(test.text), test.file) {
			r.byManifest(nil, test.file)
		}
		if len(r.packages) != 1 || r.packages[0].Name != test.name || r.packages[0].Version != test.version {
			t.Errorf("%q: %+v", test.text, r.packages)
		}
	}
}

// A Go program of which the end is missing says that it is one.
func TestTruncatedGoProgramIsTold(t *testing.T) {
	program := must(os.ReadFile(must(os.Executable())(t)))(t)
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Skip("not built as an ELF file")
	}
	at := int(file.Section(goSection).Offset)
	root := t.TempDir()
	for _, size := range []int{at + 1<<10, 1 << 17} {
		if err := os.Chmod(write(t, filepath.Join(root, "app"), program[:size]), 0o755); err != nil {
			t.Fatal(err)
		}
		if img, _ := readImage(t, "dir:"+root, Options{}); len(img.Problems) != 1 && len(img.Packages) == 0 {
			t.Errorf("%d bytes: %+v %+v", size, img.Problems, img.Packages)
		}
	}
}
