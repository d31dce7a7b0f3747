package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrograms classes by name only where names say what programs are.
func TestPrograms(t *testing.T) {
	const elf, shell = "\x7fELF\x02\x01\x01", "#!/bin/sh\n"
	want := map[string]ProgramClass{}
	m, root := map[string]string{}, t.TempDir()
	for _, test := range []struct {
		path, text string
		class      ProgramClass
	}{
		{"/bin/bash", elf, Shell}, {"/usr/bin/python3.11", elf, Interpreter}, {"/usr/sbin/sshd", elf, NetworkTool}, {"/busybox/sh", elf, Shell},
		{"/opt/venv/bin/pip", shell, PackageManager}, {"/usr/lib/jvm/java-17/bin/java", elf, Interpreter}, {"/usr/lib/go-1.26/bin/go", elf, Compiler},
		{"/sh", elf, Shell}, {"/app/tools/curl", elf, NetworkTool}, {"/usr/bin/x86_64-linux-gnu-gcc-12", elf, Compiler},
		{"/usr/share/bug/dpkg", shell, OtherProgram}, {"/usr/lib/apt/methods/ssh", elf, OtherProgram}, {"/etc/cron.daily/apt", shell, OtherProgram},
		{"/app/make", shell, OtherProgram}, {"/usr/libexec/sudo/ld", elf, OtherProgram},
		{"/usr/bin/awk", "-> /etc/alternatives/awk", Interpreter}, {"/etc/alternatives/awk", "-> /usr/bin/mawk", OtherProgram}, {"/usr/bin/mawk", elf, Interpreter},
		{"/bin/vi", "-> /bin/busybox", Shell}, {"/bin/busybox", elf, Shell}, {"/usr/bin/yarn", "-> /opt/yarn/yarn.js", PackageManager}, {"/opt/yarn/yarn.js", shell, OtherProgram},
		{"/usr/bin/fetch", "-> /usr/lib/apt/methods/ssh", OtherProgram}, {"/usr/bin/dash-to-dot", elf, OtherProgram},
	} {
		m[test.path] = test.text
		want[test.path] = test.class
	}
	for path, text := range m {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if err := errors.Join(os.MkdirAll(filepath.Dir(root+path), 0o755), os.Symlink(target, root+path)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		writeFile(t, root+path, text)
		if err := os.Chmod(root+path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	img, _ := readImage(t, "dir:"+root, Options{})
	got := map[string]Program{}
	for _, p := range img.Programs {
		got[p.Path] = p
	}
	for path, class := range want {
		p, listed := got[path]
		if link := strings.HasPrefix(m[path], "->"); p.Class != class || listed == (link && class == OtherProgram) || (p.Target != "") != (link && listed) {
			t.Errorf("%s: %+v, want %q", path, p, class)
		}
	}
}
