package vuln

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

const comparisons = 3000

// randomPairs makes pairs of versions, many of which differ in little.
func randomPairs(o Order, count int) [][2]string {
	r := rand.New(rand.NewPCG(7, uint64(o)))
	pairs := make([][2]string, 0, count)
	for len(pairs) < count {
		a, b := randomVersion(r, o), randomVersion(r, o)
		if r.IntN(2) == 0 { // the same beginning
			if c := a[:r.IntN(len(a))] + b; o.Valid(c) {
				b = c
			}
		}
		pairs = append(pairs, [2]string{a, b})
	}
	return pairs
}

// judge holds our order against the signs that an oracle gave, one a line; a line
// that is no number means that the oracle does not take the pair.
func judge(t *testing.T, o Order, pairs [][2]string, signs string) {
	t.Helper()
	lines := strings.Fields(signs)
	if len(lines) != len(pairs) {
		t.Fatalf("%d answers for %d pairs: %.300s", len(lines), len(pairs), signs)
	}
	taken, wrong := 0, 0
	for i, pair := range pairs {
		want, err := strconv.Atoi(lines[i])
		if err != nil {
			continue
		}
		taken++
		if got := compareSign(o, pair[0], pair[1]); got != want && wrong < 10 {
			wrong++
			t.Errorf("%q against %q is %d, not %d", pair[0], pair[1], got, want)
		}
	}
	if taken < len(pairs)/2 {
		t.Errorf("the oracle took only %d of %d pairs", taken, len(pairs))
	}
}

func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("no %s here to hold the order against", program)
	}
	return path
}

// answers runs an oracle that reads the pairs as JSON.
func answers(t *testing.T, pairs [][2]string, program string, args ...string) string {
	t.Helper()
	text, err := json.Marshal(pairs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(text)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("%s does not answer: %v", program, err)
	}
	return string(out)
}

func TestDpkgAgreesWithDpkg(t *testing.T) {
	dpkg := need(t, "dpkg")
	pairs := randomPairs(Dpkg, 500)
	var signs strings.Builder
	for _, pair := range pairs {
		sign := 0
		for op, s := range map[string]int{"lt": -1, "gt": 1} {
			if exec.Command(dpkg, "--compare-versions", pair[0], op, pair[1]).Run() == nil {
				sign = s
			}
		}
		fmt.Fprintln(&signs, sign)
	}
	judge(t, Dpkg, pairs, signs.String())
}

func TestDpkgAgreesWithPerl(t *testing.T) {
	pairs := randomPairs(Dpkg, comparisons)
	judge(t, Dpkg, pairs, answers(t, pairs, need(t, "perl"), "-MJSON::PP", "-MDpkg::Version", "-e",
		`local $/; for (@{decode_json(<STDIN>)}) { print version_compare($_->[0], $_->[1]), "\n" }`))
}

func TestRpmAgreesWithRpm(t *testing.T) {
	rpm := need(t, "rpm")
	pairs := randomPairs(Rpm, comparisons)
	var signs strings.Builder
	for batch := pairs; len(batch) > 0; {
		n := min(len(batch), 200)
		var script strings.Builder
		for _, pair := range batch[:n] {
			fmt.Fprintf(&script, "print(rpm.vercmp(%q,%q) .. ' ')", pair[0], pair[1])
		}
		out, err := exec.Command(rpm, "--eval", "%{lua:"+script.String()+"}").Output()
		if err != nil {
			t.Skipf("rpm has no lua: %v", err)
		}
		signs.Write(out)
		batch = batch[n:]
	}
	judge(t, Rpm, pairs, signs.String())
}

func TestPEP440AgreesWithPackaging(t *testing.T) {
	pairs := randomPairs(PEP440, comparisons)
	judge(t, PEP440, pairs, answers(t, pairs, need(t, "python3"), "-c", `
import json, sys
try:
    from packaging.version import Version
except ImportError:
    from pip._vendor.packaging.version import Version
for a, b in json.load(sys.stdin):
    a, b = Version(a), Version(b)
    print((a > b) - (a < b))
`))
}

// TestPEP440ValidAgreesWithPackaging holds which texts are versions.
func TestPEP440ValidAgreesWithPackaging(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	parts := alphabets[PEP440]
	pairs := make([][2]string, comparisons)
	for i := range pairs {
		for range 1 + r.IntN(6) {
			pairs[i][0] += parts[r.IntN(len(parts))]
		}
	}
	lines := strings.Fields(answers(t, pairs, need(t, "python3"), "-c", `
import json, sys
try:
    from packaging.version import Version, InvalidVersion
except ImportError:
    from pip._vendor.packaging.version import Version, InvalidVersion
for a, _ in json.load(sys.stdin):
    try:
        Version(a)
        print("true")
    except InvalidVersion:
        print("false")
`))
	for i, line := range lines {
		if got := strconv.FormatBool(PEP440.Valid(pairs[i][0])); got != line {
			t.Errorf("%q valid: %s, not %s", pairs[i][0], got, line)
		}
	}
}

// strictPairs are of three numbers, as the specification wants them.
func strictPairs() [][2]string {
	r := rand.New(rand.NewPCG(9, 9))
	labels := []string{"0", "1", "2", "10", "alpha", "beta", "rc", "x-y", "-", "1a"}
	version := func() string {
		v := fmt.Sprintf("%d.%d.%d", r.IntN(2), r.IntN(3), r.IntN(12))
		for i, n := 0, r.IntN(4); i < n; i++ {
			v += []string{"-", ".", "."}[i] + labels[r.IntN(len(labels))]
		}
		if r.IntN(4) == 0 {
			v += "+b-1.2"
		}
		return v
	}
	pairs := make([][2]string, comparisons)
	for i := range pairs {
		pairs[i] = [2]string{version(), version()}
	}
	return pairs
}

func TestSemVerAgreesWithGo(t *testing.T) {
	pairs := strictPairs()
	var signs strings.Builder
	for _, pair := range pairs {
		fmt.Fprintln(&signs, semver.Compare("v"+pair[0], "v"+pair[1]))
	}
	judge(t, SemVer, pairs, signs.String())
}

func TestSemVerAgreesWithNpm(t *testing.T) {
	node := need(t, "node")
	module := ""
	for _, dir := range []string{"/usr/lib/node_modules/npm", "/usr/local/lib/node_modules/npm", "/usr/share/nodejs"} {
		if m := filepath.Join(dir, "node_modules/semver"); module == "" {
			if _, err := os.Stat(m); err == nil {
				module = m
			} else if _, err := os.Stat(filepath.Join(dir, "semver")); err == nil {
				module = filepath.Join(dir, "semver")
			}
		}
	}
	if module == "" {
		t.Skip("node has no semver here")
	}
	pairs := strictPairs()
	judge(t, SemVer, pairs, answers(t, pairs, node, "-e", `
const semver = require(process.argv[1])
for (const [a, b] of JSON.parse(require("fs").readFileSync(0))) {
  console.log(semver.valid(a) && semver.valid(b) ? semver.compare(a, b) : "no")
}`, module))
}

func TestMavenAgreesWithMaven(t *testing.T) {
	java := need(t, "java")
	jars, _ := filepath.Glob("/usr/share/*/lib/maven-artifact-3*.jar")
	more, _ := filepath.Glob("/usr/share/java/maven-artifact*.jar")
	lang, _ := filepath.Glob("/usr/share/java/commons-lang3*.jar")
	if jars = append(jars, more...); len(jars) == 0 {
		t.Skip("no maven-artifact here")
	}
	path := strings.Join(append(jars, lang...), ":")
	pairs := randomPairs(Maven, comparisons)
	var signs strings.Builder
	for batch := pairs; len(batch) > 0; {
		n := min(len(batch), 500)
		args := []string{"-cp", path, "org.apache.maven.artifact.versioning.ComparableVersion"}
		for _, pair := range batch[:n] {
			args = append(args, pair[0], pair[1])
		}
		out, err := exec.Command(java, args...).CombinedOutput()
		if err != nil {
			t.Skipf("java does not answer: %v: %.300s", err, out)
		}
		// Lines "   a < b" stand between each version and the one before it.
		row := 0
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			if len(f) == 3 && strings.Contains("< == >", f[1]) {
				if row%2 == 0 {
					fmt.Fprintln(&signs, map[string]int{"<": -1, "==": 0, ">": 1}[f[1]])
				}
				row++
			}
		}
		batch = batch[n:]
	}
	judge(t, Maven, pairs, signs.String())
}
