package storage

import (
	"fmt"
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

// A read-only mount of a socket is as good as a writable one.
func TestGainOfMounts(t *testing.T) {
	for _, c := range []struct{ volume, mount, want string }{
		{"/run/docker.sock", "readOnly: true", "critical host-path-write"},
		{"/run/dbus", "readOnly: true", "critical host-path-write"},
		{"/usr", "readOnly: true", ""}, {"/usr", "", "critical host-path-write"},
		{"/var/log", "readOnly: true", "medium host-path-read"}, {"/var/log", "", "high host-path-write"},
		{"/etc/kubernetes", "readOnly: true", "critical host-path-read"},
		{"/", "readOnly: true, subPath: srv/app", ""}, {"/", "readOnly: true", "critical host-path-read"},
		{"/etc", "readOnly: true, subPath: localtime", ""}, {"/etc", "readOnly: true, subPathExpr: $(X)", "critical host-path-read"},
	} {
		mount := "{name: v, mountPath: /m"
		if c.mount != "" {
			mount += ", " + c.mount
		}
		v := view(t, false, pod("w", "one", mount+"}", "{name: v, hostPath: {path: "+c.volume+"}}")).Volumes[0]
		got := ""
		for _, f := range v.Findings {
			got += fmt.Sprintf("%s %s", f.Severity, f.ID)
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.volume, c.mount, got, c.want)
		}
	}
}
