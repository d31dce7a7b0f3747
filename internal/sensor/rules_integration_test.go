//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"crypto/rand"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/detect"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

// judgedActs are for each rule what it must see in a container, and what it must
// not mind. Programs are there: after "run" one that only ends, after "as" a copy of
// the acting program. What is said to be by a person is done by runc exec.
var judgedActs = map[string]struct{ hostile, benign string }{
	"program-not-in-image":        {"copy /bin/tool /tmp/dropped;run /tmp/dropped", "run /bin/tool"},
	"program-modified":            {"append /bin/tool;run /bin/tool", "run /bin/tool"},
	"program-fileless":            {"memory /bin/image", "run /bin/image"},
	"program-of-shared-memory":    {"copy /bin/tool /dev/shm/x;run /dev/shm/x", "run /usr/lib/x"},
	"program-of-temporary-volume": {"copy /bin/tool /var/tmp/x;run /var/tmp/x", "copy /bin/tool /volume/x;run /volume/x"},
	"program-hidden":              {"copy /bin/tool /tmp/.hidden;run /tmp/.hidden", "run /bin/tool"},
	"shell-of-server":             {"as /usr/sbin/nginx run /bin/sh", "as /usr/bin/entry run /bin/sh"},
	"shell-of-database":           {"as /usr/bin/redis-server run /bin/cat", "as /usr/lib/postgresql/postgres run /usr/lib/postgresql/pg_ctl"},
	"shell-by-person":             {"person run /bin/bash", "run /bin/bash"},
	"code-of-server":              {"as /usr/sbin/nginx run /usr/bin/python3.11 -c pass", "as /usr/sbin/nginx run /usr/bin/python3.11 /app/job.py"},
	"code-downloaded":             {"run /bin/sh -c curl|sh", "run /bin/sh -c date|sh"},
	"code-decoded":                {"run /bin/bash -c base64|bash", "run /bin/bash -c base64"},
	"code-with-network-tool":      {"run /bin/sh -c nc|sh", "run /bin/sh -c node"},
	"connect-metadata-service":    {"route;dial 169.254.169.254:80", "route;dial 169.254.20.10:80"},
	"connect-api-server":          {"route;dial 10.0.0.1:6443", "route;dial 10.0.0.1:443"},
	"connect-kubelet":             {"route;dial 10.0.0.1:10250", "route;as /bin/prometheus dial 10.0.0.1:10250"},
	"connect-etcd":                {"route;dial 10.0.0.1:2379", "route;as /bin/etcdctl-not dial 10.0.0.1:2381"},
	"connect-container-runtime":   {"route;dial 10.0.0.1:2375", "route;dial 10.0.0.1:2377"},
	"connect-miner-port":          {"route;dial 203.0.113.9:3333", "route;dial 10.0.0.1:3333"},
	"connect-of-shell":            {"route;as /bin/bash dial 203.0.113.9:4433", "route;as /bin/web dial 203.0.113.9:4433"},
	"connect-of-dropped-program":  {"route;copy /bin/act /tmp/dropped;as /tmp/dropped dial 203.0.113.9:443", "route;dial 203.0.113.9:443"},
	"connect-chat-port":           {"route;dial 203.0.113.9:6667", "route;dial 10.0.0.1:6667"},
	"connect-onion-port":          {"route;dial 203.0.113.9:9001", "route;dial 10.0.0.1:9001"},
	"connect-mail-port":           {"route;dial 203.0.113.9:25", "route;dial 203.0.113.9:587"},
	"connect-login-port":          {"route;dial 10.0.0.9:22", "route;as /usr/bin/git dial 10.0.0.9:22"},
	"connect-login-other-port":    {"route;as /usr/bin/ssh dial 203.0.113.9:443", "route;as /usr/bin/git dial 203.0.113.9:443"},
	"connect-database-outside":    {"route;dial 203.0.113.9:5432", "route;dial 10.0.0.1:5432"},
	"connect-many":                {"loopback;ports 20000 200", "loopback;ports 20000 20"},
	"resolve-many":                {"loopback;names connected example.net 80", "loopback;names connected svc.cluster.local 80"},
	"resolve-miner-pool":          {"loopback;ask connected pool.supportxmr.com", "loopback;ask connected www.example.com"},
	"resolve-collector":           {"loopback;ask connected abc.oast.fun", "loopback;ask connected oast.example.com"},
	"resolve-onion":               {"loopback;ask connected example.onion", "loopback;ask connected onion.example.com"},
	"resolve-metadata-service":    {"loopback;ask connected metadata.google.internal", "loopback;ask connected metadata.example.com"},
	"listen-of-shell":             {"loopback;as /bin/ncat listen 127.0.0.1:4433", "loopback;listen 127.0.0.1:8080"},
	"listen-of-dropped-program":   {"loopback;copy /bin/act /tmp/dropped;as /tmp/dropped listen 127.0.0.1:4433", "loopback;listen 127.0.0.1:4433"},
	"listen-by-person":            {"loopback;person as /bin/web listen 127.0.0.1:8000", "loopback;as /bin/web listen 127.0.0.1:8000"},
	"connect-by-person":           {"route;person as /bin/web dial 203.0.113.9:443", "route;person as /bin/web dial 10.0.0.1:443"},
	"read-password-file":          {"as /bin/cat read /etc/shadow", "as /usr/sbin/unix_chkpwd read /etc/shadow"},
	"read-token-by-tool":          {"as /bin/cat read /run/secrets/kubernetes.io/serviceaccount/token", "as /app/operator read /run/secrets/kubernetes.io/serviceaccount/token"},
	"read-private-key":            {"as /bin/cat read /root/.ssh/id_ed25519", "as /usr/bin/git read /root/.ssh/id_ed25519"},
	"read-cloud-credentials":      {"as /bin/cat read /root/.aws/credentials", "as /app/web read /root/.aws/credentials"},
	"read-client-credentials":     {"as /bin/cat read /root/.docker/config.json", "as /usr/bin/docker-credential read /root/.docker/config.json"},
	"read-environment-of-process": {"as /bin/cat read /proc/1/environ", "as /bin/ps read /proc/1/environ"},
	"read-memory-of-process":      {"read /proc/1/mem", "read /proc/1/status"},
	"read-kernel-symbols":         {"read /proc/kallsyms", "read /proc/cpuinfo"},
	"read-sudo-rules":             {"as /bin/cat read /etc/sudoers", "as /usr/sbin/visudo read /etc/sudoers"},
	"write-users":                 {"begin /etc/passwd", "begin /etc/app.conf"},
	"write-preload":               {"begin /etc/ld.so.preload", "begin /etc/app.conf"},
	"write-schedule":              {"begin /etc/cron.d/x", "begin /var/spool/mail"},
	"write-login-keys":            {"begin /root/.ssh/authorized_keys", "begin /root/.ssh/known_hosts"},
	"write-shell-profile":         {"begin /root/.bashrc", "begin /root/notes"},
	"write-program":               {"begin /usr/bin/new", "begin /var/lib/new"},
	"write-package-database":      {"begin /var/lib/dpkg/status", "begin /var/lib/status"},
	"write-core-pattern":          {"begin /proc/sys/kernel/core_pattern", "begin /proc/self/oom_score_adj"},
	"write-release-agent":         {"begin /tmp/release_agent", "begin /tmp/agent"},
	"write-kernel-settings":       {"begin /proc/sys/kernel/randomize_va_space", "begin /proc/self/oom_score_adj"},
	"write-log-by-tool":           {"as /usr/bin/truncate begin /var/log/auth.log", "as /app/web begin /var/log/auth.log"},
	"write-shell-history":         {"as /bin/rm begin /root/.bash_history", "as /bin/web begin /root/.bash_history"},
	"write-device":                {"begin /dev/sda1", "begin /tmp/sda1"},
	"write-file-below-dev":        {"begin /dev/hidden", "begin /tmp/hidden"},
	"write-static-pod":            {"begin /etc/kubernetes/manifests/x.yaml", "begin /etc/kubernetes/x.yaml"},
	"write-web-script":            {"as /usr/sbin/apache2 begin /var/www/x.php", "as /usr/sbin/apache2 begin /var/www/x.png"},
	"load-library-not-in-image":   {"copy /bin/tool /var/lib/x.so;map /var/lib/x.so", "map /bin/tool"},
	"trace-process":               {"do seize", ""},
	"trace-self":                  {"do traceme", ""},
	"process-memory-taken":        {"do seize", ""},
	"mount-made":                  {"do mount", ""},
	"unmount-made":                {"unmount /proc/fs", ""},
	"module-loaded":               {"do load", ""},
	"bpf-loaded":                  {"do load", ""},
	"namespace-made":              {"nested keys", ""},
	"namespace-entered":           {"do namespaces", ""},
	"setuid-file-run":             {"do raise", "run /bin/tool"},
	"setuid-bit-set":              {"change /tmp", "begin /tmp/x"},
	"user-change-denied":          {"other;do users", "do users"},
	"capability-of-node-used":     {"do load", ""},
	"capability-sys-admin-used":   {"do mount", ""},
	"packet-socket":               {"raw", ""},
	"sensitive-call":              {"do keys", ""},
	"system-call-of-node":         {"calls " + reboot(), ""},
	"root-of-host":                {"chroot /host /bin/true", "run /bin/true"},
	"package-manager-run":         {"run /usr/bin/apt-get", "run /usr/bin/aptly"},
	"network-tool-run":            {"run /usr/bin/nmap", "run /usr/bin/web"},
	"remote-copy-run":             {"run /usr/bin/scp", "run /usr/bin/cp"},
	"download-run":                {"run /usr/bin/wget", "run /usr/bin/web"},
	"user-management-run":         {"run /usr/sbin/useradd", "run /usr/bin/id"},
	"cluster-client-run":          {"run /usr/bin/kubectl", "run /usr/bin/web"},
	"crypto-miner-run":            {"run /usr/bin/xmrig", "run /usr/bin/web"},
	"attack-tool-run":             {"run /usr/bin/deepce", "run /usr/bin/web"},
	"compiler-run":                {"run /usr/bin/gcc", "run /usr/bin/web"},
	"namespace-tool-run":          {"run /usr/bin/nsenter", "run /usr/bin/setsid"},
	"privilege-tool-run":          {"run /usr/bin/sudo", "run /usr/bin/gosu"},
	"debugger-run":                {"run /usr/bin/strace", "run /usr/bin/web"},
	"scheduler-run":               {"run /usr/bin/crontab", "run /usr/bin/web"},
	"kernel-tool-run":             {"run /usr/sbin/insmod", "run /usr/bin/web"},
	"mount-tool-run":              {"run /usr/bin/mount", "run /usr/bin/findmnt"},
	"firewall-tool-run":           {"run /usr/sbin/iptables", "run /usr/bin/web"},
	"login-server-run":            {"run /usr/sbin/sshd", "run /usr/bin/web"},
	"login-client-run":            {"run /usr/bin/ssh", "run /usr/bin/ssh-keygen"},
	"tunnel-run":                  {"run /usr/bin/chisel", "run /usr/bin/web"},
	"capability-tool-run":         {"run /usr/sbin/setcap", "run /usr/bin/getcap"},
	"network-settings-run":        {"run /usr/sbin/ifconfig", "run /usr/bin/web"},
	"service-manager-run":         {"run /usr/bin/systemctl", "run /usr/bin/web"},
	"shell-management-run":        {"run /usr/sbin/add-shell", "run /usr/bin/web"},
	"wipe-tool-run":               {"run /usr/bin/shred", "run /bin/rm"},
	"cloud-client-run":            {"run /usr/bin/aws", "run /usr/bin/web"},
}

// reboot is the number of the system call, which does nothing without its magic
// numbers.
func reboot() string { return map[string]string{"amd64": "169", "arm64": "142"}[runtime.GOARCH] }

// Each rule sees its act in a container, and no rule of the recommended profile minds
// its twin.
func TestRulesSeeActs(t *testing.T) {
	s := looking(t, behavior.Execute)
	rules, err := policy.LoadLibrary(policies.Behavior(), "policies/behavior")
	if err != nil {
		t.Fatal(err)
	}
	recommended, err := policy.Profile(rules, "recommended", 0)
	if err != nil {
		t.Fatal(err)
	}
	base := actingBundle(t)
	done := listen(t, s)
	hostile, benign := map[string]string{}, map[string]string{} // ids of containers by rule
	for _, r := range rules {
		acts, ok := judgedActs[r.ID]
		if !ok {
			t.Errorf("no act is known for %s", r.ID)
		}
		hostile[r.ID] = base.perform(t, acts.hostile)
		if acts.benign != "" {
			benign[r.ID] = base.perform(t, acts.benign)
		}
	}
	events := done()
	for _, r := range rules {
		if found := broken(events, hostile[r.ID], []*policy.Rule{r}); len(found) == 0 && !impossible(r.ID) {
			t.Errorf("%s does not see %q; told was\n%s", r.ID, judgedActs[r.ID].hostile, strings.Join(deeds(events, hostile[r.ID]), "\n"))
		}
		if benign[r.ID] == "" {
			continue
		}
		if found := broken(events, benign[r.ID], slices.Concat(recommended, []*policy.Rule{r})); len(found) > 0 {
			t.Errorf("the twin of %s, %q, is an alert: %s", r.ID, judgedActs[r.ID].benign, strings.Join(found, "; "))
		}
	}
}

// impossible reports whether the kernel has nothing by which the act could be done.
func impossible(rule string) bool {
	_, err := os.Stat("/proc/modules")
	return rule == "module-loaded" && err != nil
}

// broken names the rules that what a container did breaks.
func broken(events []Event, id string, rules []*policy.Rule) (found []string) {
	d := detect.New(rules, nil, nil)
	var w detect.Watched
	judge := func(e *Event, f behavior.Fact) {
		findings, unknown := d.Judge(detect.Context{Name: id, Escaped: e.Escaped}, f)
		for _, finding := range findings {
			found = append(found, finding.Rule.ID+": "+finding.Message)
		}
		for _, u := range unknown {
			found = append(found, "not known: "+u.Reason)
		}
	}
	for i := range events {
		e := &events[i]
		if e.Container.ID != id {
			continue
		}
		switch e.Kind {
		case Did:
			for _, f := range w.Add(e.Fact) {
				judge(e, f)
			}
		case Alerted:
			judge(e, e.Fact)
		}
	}
	return found
}

func deeds(events []Event, id string) (list []string) {
	for _, e := range ofContainer(events, id, Did) {
		if e.Fact.Kind != behavior.Syscall {
			list = append(list, "  "+e.Fact.String())
		}
	}
	return list
}

// actingBundle has all programs and files that the acts are about, and all
// capabilities that can be granted.
func actingBundle(t *testing.T) *bundle {
	t.Helper()
	b := newBundle(t)
	b.grant(t, grantable()...)
	b.configure(t, func(config map[string]any) {
		config["linux"].(map[string]any)["readonlyPaths"] = []string{"/proc/fs"}
		config["linux"].(map[string]any)["resources"] = map[string]any{"pids": map[string]any{"limit": 200}} // should an act go wrong
		for _, place := range []string{"/dev/shm", "/var/tmp"} {
			config["mounts"] = append(config["mounts"].([]any), map[string]any{"destination": place, "type": "tmpfs", "source": "tmpfs"})
		}
	})
	lower := filepath.Join(b.dir, "lower")
	for _, made := range []struct {
		word string
		file func(path string) error
	}{
		{"as", func(path string) error { return os.Link(filepath.Join(lower, "bin/act"), path) }},
		{"run", func(path string) error { return os.WriteFile(path, endsAtOnce(), 0o755) }},
		{"read", func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) }},
		{"begin", func(string) error { return nil }}, // its directory
	} {
		for path := range pathsAfter(made.word) {
			path = filepath.Join(lower, path)
			if _, err := os.Lstat(path); err == nil {
				continue
			}
			if err := firstError(os.MkdirAll(filepath.Dir(path), 0o755), made.file(path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	raises := filepath.Join(lower, "bin/raises")
	if err := firstError(os.WriteFile(raises, endsAtOnce(), 0o755), os.Chmod(raises, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	return b
}

// pathsAfter gives the files of the image that stand behind a word of the acts.
func pathsAfter(word string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, acts := range judgedActs {
			words := strings.FieldsFunc(acts.hostile+";"+acts.benign, func(r rune) bool { return r == ' ' || r == ';' })
			for i, path := range words[min(1, len(words)):] {
				if words[i] == word && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/tmp/") && !yield(path) {
					return
				}
			}
		}
	}
}

// perform does acts in a container of their own with the image of the bundle, and
// returns its id. What comes after "person" is done by runc exec.
func (b *bundle) perform(t *testing.T, acts string) string {
	t.Helper()
	own := &bundle{id: "ullage-test-" + strings.ToLower(rand.Text()[:8]), dir: t.TempDir()}
	template, err := os.ReadFile(filepath.Join(b.dir, "config.template"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(template), b.id, own.id), filepath.Join(b.dir, "shared"), filepath.Join(own.dir, "shared"))
	if before, ok := strings.CutPrefix(acts, "other;"); ok {
		acts = before
		text = strings.Replace(text, `"uid":0`, `"uid":1000`, 1)
	}
	err = firstError(os.WriteFile(filepath.Join(own.dir, "config.template"), []byte(text), 0o600), os.Symlink(filepath.Join(b.dir, "lower"), filepath.Join(own.dir, "lower")))
	for _, dir := range []string{"shared", "upper", "work", "root", "state"} {
		err = firstError(err, os.Mkdir(filepath.Join(own.dir, dir), 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	acts, person, by := strings.Cut(acts, "person ")
	if !by {
		if err := own.try(t, strings.Split(acts, ";")...); err != nil {
			t.Errorf("%s: %v", acts, err)
		}
		return own.id
	}
	fifo := filepath.Join(own.dir, "shared/person")
	if err := firstError(unix.Mkfifo(fifo, 0o600), unix.Mkfifo(fifo+"-left", 0o600)); err != nil {
		t.Fatal(err)
	}
	c := own.command(t.Context(), t, append(strings.Split(strings.TrimSuffix(acts, ";"), ";"), "wait /shared/person", "wait /shared/person-left")...)
	if acts == "" {
		c = own.command(t.Context(), t, "wait /shared/person", "wait /shared/person-left")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := func(path string) {
		if err := os.WriteFile(path, []byte("x"), 0); err != nil { // waits for the reader
			t.Fatal(err)
		}
	}
	said(fifo) // now it runs
	exec := exec.CommandContext(t.Context(), "runc", "--root", filepath.Join(own.dir, "state"), "exec", "--env", actVariable+"="+person, own.id, "/bin/act")
	if out, err := exec.CombinedOutput(); err != nil {
		t.Errorf("runc exec: %v\n%s", err, out)
	}
	said(fifo + "-left")
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	return own.id
}
