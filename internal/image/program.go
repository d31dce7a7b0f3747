package image

import (
	"path"
	"slices"
	"strings"
)

// findPrograms lists the executables, by path. A symbolic link counts where it
// leads to one and gives it the name of a class, as those to busybox do, or leads
// to one that has a class.
func findPrograms(t *Tree) []Program {
	var all []Program
	for id, p := range t.walk() {
		n := t.at(id)
		switch {
		case n.kind == File && n.mode&(native|script) != 0:
			all = append(all, Program{
				Path: string(p), Layer: int(n.layer), Class: classAt(string(p), n.mode&native != 0), Script: n.mode&script != 0,
				Setuid: n.mode&0o4000 != 0, Setgid: n.mode&0o2000 != 0, Capable: n.mode&capable != 0,
			})
		case n.kind == Symlink:
			target := t.follow(p, true)
			if target == 0 || t.at(target).mode&(native|script) == 0 || t.at(target).kind != File {
				continue
			}
			to := t.path(target)
			class := classAt(string(p), false)
			if class == OtherProgram && forAll(string(p)) {
				class = classAt(to, t.at(target).mode&native != 0)
			}
			if class != OtherProgram {
				all = append(all, Program{Path: string(p), Layer: int(n.layer), Class: class, Target: to, Script: t.at(target).mode&script != 0})
			}
		}
	}
	return all
}

// mostWritable bounds the list of paths that anybody may write.
const mostWritable = 10_000

// findWritable lists the files that anybody may write to, and the directories
// where anybody may replace what others put there, by path.
func findWritable(t *Tree) []Writable {
	var all []Writable
	for id, p := range t.walk() {
		n := t.at(id)
		open := n.kind == File || n.kind == Directory && n.mode&0o1000 == 0
		if !open || n.mode&0o002 == 0 {
			continue
		}
		if len(all) == mostWritable {
			break
		}
		all = append(all, Writable{Path: string(p), Layer: int(n.layer), Directory: n.kind == Directory})
	}
	return all
}

// classAt classes a program by its name, where names say what programs are: where
// programs lie that somebody runs by name and, of native ones, wherever no package
// keeps what it alone runs. There names mean other things: what apt fetches with,
// scripts with which packages report bugs, jobs of cron.
func classAt(p string, native bool) ProgramClass {
	if !forAll(p) && (!native || slices.ContainsFunc(internal, func(dir string) bool { return strings.HasPrefix(p, dir) })) {
		return OtherProgram
	}
	return classOf(path.Base(p))
}

// forAll reports whether a program lies where those lie that are run by name.
func forAll(p string) bool {
	dir := path.Dir(p)
	switch path.Base(dir) {
	case "bin", "sbin", "games", "busybox":
		return true
	}
	return dir == "/"
}

// internal are the directories in which packages keep what they alone run.
var internal = []string{"/etc/", "/lib/", "/usr/lib/", "/usr/lib32/", "/usr/lib64/", "/usr/libexec/", "/usr/libx32/", "/usr/local/lib/", "/usr/local/share/", "/usr/share/", "/var/lib/"}

// classOf tells what a program of a name is good for. A version at the end does
// not matter: python3.11, gcc-12, perl5.36.0.
func classOf(name string) ProgramClass {
	name = strings.TrimSuffix(name, ".exe")
	if class, ok := classes[name]; ok {
		return class
	}
	bare := strings.TrimRight(name, "0123456789.")
	bare = strings.TrimSuffix(bare, "-")
	if class, ok := classes[bare]; ok {
		return class
	}
	// Cross compilers and their like: x86_64-linux-gnu-gcc-12.
	if i := strings.LastIndexByte(bare, '-'); i >= 0 && classes[bare[i+1:]] == Compiler && strings.Count(bare, "-") >= 2 {
		return Compiler
	}
	return OtherProgram
}

var classes = func() map[string]ProgramClass {
	all := map[string]ProgramClass{}
	for class, names := range map[ProgramClass]string{
		Shell: `sh bash dash ash zsh ksh ksh93 mksh lksh oksh pdksh yash csh tcsh fish rbash rzsh posh elvish nu pwsh busybox toybox
			bash-static zsh-static`,
		PackageManager: `apt apt-get apt-cache aptitude dpkg dpkg-deb apk yum dnf dnf5 microdnf tdnf rpm zypper pacman emerge opkg xbps-install
			nix nix-env brew snap flatpak pip pip3 pipx uv poetry pipenv easy_install conda mamba micromamba npm npx yarn pnpm corepack
			gem bundle bundler composer cargo nuget mvn gradle cpan cpanm luarocks pecl pear`,
		NetworkTool: `curl wget wget2 nc ncat netcat nc.openbsd nc.traditional socat telnet ftp lftp tftp ssh scp sftp sshd ssh-keyscan dropbear dbclient rsync
			nmap nping masscan tcpdump tshark dumpcap ping ping6 fping hping3 traceroute traceroute6 mtr dig nslookup host drill kdig
			ip ss netstat ifconfig route arp arping iptables ip6tables nft ebtables iperf iperf3 aria2c axel httpie http kubectl crictl
			docker ctr nerdctl podman skopeo crane chisel ngrok cloudflared openvpn wg`,
		Compiler: `gcc g++ cc c++ cpp clang clang++ tcc as ld gold lld mold make cmake ninja go gofmt rustc javac kotlinc scalac ghc ocamlopt fpc
			gfortran gdc dmd ldc2 zig nasm yasm swiftc mcs csc tsc gccgo`,
		Interpreter: `python pypy pypy3 perl ruby jruby node nodejs deno bun php php-cgi php-fpm lua luajit tclsh wish expect java jshell dotnet mono
			Rscript R julia erl elixir iex guile racket sbcl awk gawk mawk nawk gdb gdbserver strace`,
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = class
		}
	}
	return all
}()
