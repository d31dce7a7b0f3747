package storage

import (
	"slices"
	"strings"
	"testing"
)

func TestHostPath(t *testing.T) {
	for _, c := range []struct{ at, want string }{ // the places, and what they take: r, w, or nothing
		{"/srv/app", ""}, {"/etc/localtime", ""}, {"/usr/share/zoneinfo/Europe", ""}, {"/var/runner", ""}, {"/etcetera", ""},
		{"/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki rw"},
		{"/var/lib/kubelet/pods/x", "/var/lib/kubelet/pods rw"},
		{"/var/lib/kubelet", "/var/lib/kubelet rw; /var/lib/kubelet/pki rw; /var/lib/kubelet/pods rw; /var/lib/kubelet/kubeconfig rw; /var/lib/kubelet/config.yaml w"},
		{"/var/run/docker.sock", "/run/docker.sock rw"}, {"//run/./containerd/", "/run/containerd/containerd.sock rw"},
		{"/opt/x/containerd.sock", "/opt/x/containerd.sock rw"}, {"/var/log/pods", "/var/log "}, {"/opt", "/opt/cni w; /opt/cni/bin w"},
		{"/proc/sys/kernel", "/proc/sys/kernel w"}, {"/proc/1", "/proc w"}, {"/dev/sda", "/dev/sda rw"}, {"/dev/fuse", "/dev/fuse "},
		{"/etc/ssl", "/etc/ssl "}, {"/etc/cron.d/x", "/etc/cron.d w"}, {"/usr/src", "/usr/src "}, {"/usr/local/bin/x", "/usr/local/bin w"}, {"/sys/class/net", "/sys/class/net "},
		{"/sys/kernel/debug", "/sys/kernel w"}, {"/var/lib/kubelet/device-plugins", "/var/lib/kubelet/device-plugins "},
	} {
		var got []string
		for _, e := range HostPath(c.at) {
			takes := ""
			if e.ReadTakes {
				takes = "r"
			}
			if e.WriteTakes {
				takes += "w"
			}
			got = append(got, e.Path+" "+takes)
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s: %q, want %q", c.at, s, c.want)
		}
	}
	if all := HostPath("/"); len(all) != len(places) || all[0].Path != "/" {
		t.Errorf("the root exposes %d of %d places, first %s", len(all), len(places), all[0].Path)
	}
}

// A mounted parent exposes all that each of its children does.
func TestParentsExposeMore(t *testing.T) {
	for i := range places {
		at := places[i].Path
		for parent := at; parent != ""; parent = parent[:strings.LastIndexByte(parent, '/')] {
			if !slices.Contains(HostPath(parent), places[i].Exposure) {
				t.Errorf("%s does not expose %s", parent, at)
			}
		}
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range places {
		if seen[p.Path] || p.Path != nodePath(p.Path) || p.Write == "" || p.ReadTakes && p.Read == "" {
			t.Errorf("entry %+v", p)
		}
		seen[p.Path] = true
	}
}

// What somebody has to do first is said, and what gives the node without comes first.
func TestWhatTheNodeNeeds(t *testing.T) {
	for _, c := range []struct{ at, mount, want string }{
		{"/home", "", "has to log in"}, {"/root", "readOnly: true", "root has to keep such keys there"}, {"/etc/profile.d", "", "root has to log in"},
		{"/etc/pam.d", "", ""}, {"/etc", "", ""}, {"/home", "readOnly: true", ""},
	} {
		mount := "{name: v, mountPath: /m, " + c.mount + "}"
		v := view(t, false, pod("w", "one", mount, "{name: v, hostPath: {path: "+c.at+"}}")).Volumes[0]
		text := v.Users[0].Gain(v.NodePath).Text
		if text == "" || strings.Contains(text, "to have the node") != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %q, want %q", c.at, c.mount, text, c.want)
		}
	}
}

const privileged = " by a privileged container"

// A read-only mount of a socket is as good as a writable one.
func TestGainOfMounts(t *testing.T) {
	for _, c := range []struct {
		volume, mount, want string
		takes, writes       bool
	}{
		{"/run/docker.sock", "readOnly: true", "reaches /run/docker.sock", true, true},
		{"/run/dbus", "readOnly: true", "reaches /run/dbus", true, true},
		{"/usr", "readOnly: true", "", false, false},
		{"/usr", "", "writes to /usr", true, true},
		{"/var/log", "readOnly: true", "reads /var/log", false, false},
		{"/var/log", "", "writes to /var/log", false, true},
		{"/etc/kubernetes", "readOnly: true", "reads /etc/kubernetes", true, false},
		{"/", "readOnly: true, subPath: srv/app", "", false, false},
		{"/", "readOnly: true", "reads /", true, false},
		{"/etc", "readOnly: true, subPath: localtime", "", false, false},
		{"/etc", "readOnly: true, subPathExpr: $(X)", "reads /etc", true, false},
		{"/dev", "", "writes to /dev/pts", false, true},
		{"/dev", privileged, "writes to /dev", true, true},
		{"/dev", "readOnly: true" + privileged, "writes to /dev", true, true},
		{"/dev/sda", "", "", false, false},
		{"/dev/sda", privileged, "writes to /dev/sda", true, true},
		{"/dev/fuse", "", "", false, false},
		{"/", "subPath: dev", "writes to /dev/pts", false, true},
		{"/root", "readOnly: true", "reads /root", true, false},
		{"/home", "readOnly: true", "reads /home", false, false},
		{"/home", "", "writes to /home", true, true},
		{"/home", "subPath: jo/.ssh", "writes to /home", true, true},
		{"/etc/profile.d", "", "writes to /etc/profile.d", true, true},
		{"/etc/profile.d", "readOnly: true", "", false, false},
		{"/etc/rancher/k3s", "readOnly: true", "reads /etc/rancher", true, false},
		{"/etc/pam.d", "", "writes to /etc/pam.d", true, true},
		{"/etc/udev/rules.d", "", "writes to /etc/udev/rules.d", true, true},
		{"/etc/udev/hwdb.d", "readOnly: true", "", false, false},
	} {
		var isPrivileged bool
		c.mount, isPrivileged = strings.CutSuffix(c.mount, privileged)
		mount := "{name: v, mountPath: /m"
		if c.mount != "" {
			mount += ", " + c.mount
		}
		yaml := pod("w", "one", mount+"}", "{name: v, hostPath: {path: "+c.volume+"}}")
		if isPrivileged {
			yaml = strings.Replace(yaml, "{name: main,", "{name: main, securityContext: {privileged: true},", 1)
		}
		v := view(t, false, yaml).Volumes[0]
		g := v.Users[0].Gain(v.NodePath)
		if what, _, _ := strings.Cut(g.Text, " of the node"); !strings.HasPrefix(what, c.want) || c.want == "" && what != "" || g.TakesNode != c.takes || g.Writes != c.writes {
			t.Errorf("%s %s: %+v, want %+v", c.volume, c.mount, g, c)
		}
		if helps := strings.Contains(g.Text, "does not help"); helps != (c.writes && strings.HasPrefix(c.mount, "readOnly")) {
			t.Errorf("%s %s: %q", c.volume, c.mount, g.Text)
		}
	}
}
