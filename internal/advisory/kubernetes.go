package advisory

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// feedKubernetes is the list of CVEs that the Kubernetes project announces.
const feedKubernetes = "kubernetes"

// kubernetesComponents are those of the release; kubectl runs where people do.
var kubernetesComponents = []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"}

type kubernetesItem struct {
	ID        string `json:"id"`
	Summary   string `json:"summary"`
	Text      string `json:"content_text"`
	Published string `json:"date_published"`
}

// kubernetesFeed reads the JSON feed of the Kubernetes project. Which versions are
// affected stands in it as prose, written for people. The lists that most entries
// have are read; of an entry of which anything is not understood nothing is guessed:
// it stays undecided for the components that it names, and for all when it names
// none.
func kubernetesFeed(r io.Reader, in *intake) error {
	return eachItem(r, "items", func(d *json.Decoder, n int) error {
		var item kubernetesItem
		if err := d.Decode(&item); err != nil {
			return err
		}
		if vuln.CVE(item.ID) != item.ID || item.ID == "" {
			in.fail(fmt.Sprintf("item %d", n), fmt.Errorf("%.80q is no CVE", item.ID))
			return nil
		}
		a := &vuln.Advisory{ID: item.ID, Summary: item.Summary, Published: seconds(item.Published), Modified: seconds(item.Published)}
		if vector := cvssVector.FindString(item.Text); vector != "" {
			a.Vectors = []string{vector}
		}
		return in.advisory(a, item.statements())
	})
}

var (
	cvssVector = regexp.MustCompile(`CVSS:[34]\.[01]/[A-Za-z:/]+[A-Z]`)

	heading = regexp.MustCompile(`(?m)^\s{0,3}(?:#{1,6}\s*|\*\*)([^*\n#]+?)\s*(?:\*\*)?:?\s*$`)
	// kubernetesName finds components as words: kubelet, and not kubelets.
	kubernetesName = regexp.MustCompile(`\b(kube-?apiserver|kube-controller-manager|kube-proxy|kube-scheduler|kubectl|kubelet|kubernetes)\b`)
	number         = `v?(\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc)\.\d+)?)`
	versionRange   = regexp.MustCompile(`^` + number + `\s*(?:-|–|—|to|through)\s*(?:<=\s*|≤\s*)?` + number + `$`)
	versionBelow   = regexp.MustCompile(`^(?:<|prior to|before)\s*` + number + `$`)
	versionMost    = regexp.MustCompile(`^(?:(?:<=|=<|≤|up to)\s*` + number + `|` + number + `\s+(?:and|or) (?:earlier|prior|older|below))$`)
	versionLeast   = regexp.MustCompile(`^(?:(?:>=|≥)\s*` + number + `|` + number + `\s+(?:and|or) (?:later|newer|above))$`)
	versionOne     = regexp.MustCompile(`^=?\s*` + number + `$`)
)

// section returns the lines below the first heading that has one of the words, nil
// when there is none.
func section(text string, words ...string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	found := heading.FindAllStringSubmatchIndex(text, -1)
	for i, at := range found {
		title := strings.ToLower(text[at[2]:at[3]])
		if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(title, w) }) {
			continue
		}
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		var lines []string
		for line := range strings.Lines(text[at[1]:end]) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		return lines
	}
	return nil
}

// statements returns what an entry says of each component.
func (item *kubernetesItem) statements() []statement {
	named := components(item.Summary)
	affected := section(item.Text, "affected version")
	byName, ok := map[string][]vuln.Interval{}, len(affected) > 0
	for _, line := range affected {
		names, interval, understood := affectedLine(line)
		if len(names) == 0 && len(named) == 1 {
			names = named
		}
		if !understood || len(names) == 0 {
			ok = false
			break
		}
		for _, name := range names {
			byName[name] = append(byName[name], interval)
		}
	}
	if ok {
		ok = item.fixed(byName)
	}
	var list []statement
	for _, name := range kubernetesComponents {
		s := statement{scope: "Kubernetes", name: name}
		switch {
		case ok && byName[name] != nil:
			s.Intervals = byName[name]
		case ok:
			s.Verdict = vuln.NotAffected
		default:
			if mentioned := components(item.Summary + "\n" + strings.Join(affected, "\n")); len(mentioned) > 0 && !slices.Contains(mentioned, name) {
				continue
			}
			s.Verdict = vuln.Undecided
		}
		list = append(list, s)
	}
	return list
}

// components returns the components that a text names, each once.
func components(text string) []string {
	var names []string
	for _, found := range kubernetesName.FindAllString(strings.ToLower(text), -1) {
		if found == "kubeapiserver" {
			found = "kube-apiserver"
		}
		if found != "kubernetes" && !slices.Contains(names, found) {
			names = append(names, found)
		}
	}
	return names
}

// affectedLine reads an entry of a list such as "- kubelet v1.26.0 - v1.26.4". It is
// understood only as a whole.
func affectedLine(line string) (names []string, i vuln.Interval, understood bool) {
	line = strings.ToLower(strings.TrimLeft(line, "-*+ \t"))
	line = strings.NewReplacer("`", "", "\u00a0", " ").Replace(line)
	names = components(line)
	rest := kubernetesName.ReplaceAllString(line, "")
	rest = strings.Trim(strings.TrimSpace(rest), ":,. ")
	rest = strings.TrimSpace(strings.TrimPrefix(rest, "versions"))
	if rest == "all versions" || rest == "all" {
		return names, vuln.Interval{}, true
	}
	if m := versionRange.FindStringSubmatch(rest); m != nil {
		i.From = three(m[1])
		i.To, i.Last = lastOf(m[2])
		return names, i, true
	}
	if m := versionBelow.FindStringSubmatch(rest); m != nil {
		return names, vuln.Interval{To: three(m[1])}, true
	}
	if m := versionMost.FindStringSubmatch(rest); m != nil {
		i.To, i.Last = lastOf(m[1] + m[2])
		return names, i, true
	}
	if m := versionLeast.FindStringSubmatch(rest); m != nil {
		return names, vuln.Interval{From: three(m[1] + m[2])}, true
	}
	if m := versionOne.FindStringSubmatch(rest); m != nil {
		i.From = three(m[1])
		i.To, i.Last = lastOf(m[1])
		return names, i, true
	}
	return names, i, false
}

// three makes three numbers of two.
func three(version string) string {
	core, rest, pre := strings.Cut(version, "-")
	if strings.Count(core, ".") == 1 {
		core += ".0"
	}
	if pre {
		core += "-" + rest
	}
	return core
}

// lastOf is the end of a range that holds a version. All releases of a minor version
// are meant where only that is named.
func lastOf(version string) (to string, last bool) {
	major, minor, _ := strings.Cut(version, ".")
	if strings.Contains(minor, ".") {
		return version, true
	}
	var n int
	fmt.Sscan(minor, &n)
	return fmt.Sprintf("%s.%d.0-0", major, n+1), false
}

// fixedLine finds the version of an entry such as "- kubelet v1.26.5 - fixed by #1".
var fixedLine = regexp.MustCompile(`^` + number + `(?:\s*(?:[-–—,(:]|and later).*)?$`)

// fixed ends ranges at the versions that mend them, where the list of these says
// so: one that ends with the version before a fixed one ends there. It returns false
// when a fixed version is in a range: then the lists are not as simple as that.
func (item *kubernetesItem) fixed(byName map[string][]vuln.Interval) bool {
	for _, line := range section(item.Text, "fixed version", "fix version") {
		line = strings.ToLower(strings.TrimLeft(line, "-*+ \t"))
		names := components(line)
		line = strings.TrimSpace(kubernetesName.ReplaceAllString(strings.ReplaceAll(line, "`", ""), ""))
		m := fixedLine.FindStringSubmatch(strings.TrimLeft(line, ": ≥>="))
		if m == nil {
			continue // no version to upgrade to is known of it, the ranges stand
		}
		version := three(m[1])
		for name, intervals := range byName {
			if len(names) > 0 && !slices.Contains(names, name) {
				continue
			}
			for k := range intervals {
				i := &intervals[k]
				if i.Last && follows(version, i.To) {
					i.To, i.Last = version, false
				}
				if i.Holds(vuln.SemVer, version) {
					return false
				}
			}
		}
	}
	return true
}

// follows says whether a release is the next one of its minor version.
func follows(version, before string) bool {
	var a, b [3]int
	n, _ := fmt.Sscanf(version, "%d.%d.%d", &a[0], &a[1], &a[2])
	m, _ := fmt.Sscanf(before, "%d.%d.%d", &b[0], &b[1], &b[2])
	return n == 3 && m == 3 && a[0] == b[0] && a[1] == b[1] && a[2] == b[2]+1 && !strings.Contains(version+before, "-")
}
