package behavior

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		path  string
		layer Layer
		want  string
	}{
		{"/usr/lib/x86_64-linux-gnu/libssl.so.1.1", InImage, "/usr/lib/x86_64-linux-gnu/libssl.so.1.1"},
		{"/opt/app/20261123/a1b2c3d4e5f60718/x", InImage, "/opt/app/20261123/a1b2c3d4e5f60718/x"}, // the image has it so
		{"/tmp/tmp.aB3dE5fG7h", Added, "/tmp/tmp.{random}"},
		{"/tmp/tmpab12cd_x", Added, "/tmp/tmp{random}"},
		{"/tmp/upload-1234567890.part", Added, "/tmp/upload-{number}.part"},
		{"/tmp/go-build1234567890/b001/exe/main", OtherMount, "/tmp/go-build{number}/b001/exe/main"},
		{"/tmp/sess_a9f8e7d6c5b4a3f2e1d0", Added, "/tmp/sess_{hex}"},
		{"/tmp/config.yaml", Added, "/tmp/config.yaml"},
		{"/data/3f2504e0-4f89-11d3-9a0c-0305e82c3301/meta.json", OtherMount, "/data/{uuid}/meta.json"},
		{"/var/log/nginx/access.log", OtherMount, "/var/log/nginx/access.log"},
		{"/var/log/nginx/access.log.1", OtherMount, "/var/log/nginx/access.log.{number}"},
		{"/var/log/app.log.12.gz", OtherMount, "/var/log/app.log.{number}.gz"},
		{"/var/log/app-20261123.log", OtherMount, "/var/log/app-{number}.log"},
		{"/proc/4711/stat", "", "/proc/{pid}/stat"},
		{"/proc/4711/task/9/fd/3", "", "/proc/{pid}/task/{number}/fd/{number}"},
		{"/proc/self/status", "", "/proc/self/status"},
		{"/var/lib/postgresql/15/main/base/16384/2619", OtherMount, "/var/lib/postgresql/15/main/base/{number}/{number}"},
		{"/etc/config/..2026_11_23_08_00_00.123456789/app.yaml", OtherMount, "/etc/config/..{random}/app.yaml"},
		{"/data/ghp_0123456789abcdefghijABCDEFGHIJ012345", Added, "/data/{secret}"},
		{"/tmp/*", Added, `/tmp/\x2a`},
		{"/tmp/{random}", Added, `/tmp/\x7brandom\x7d`},
		{"/tmp/a\x1b[31m\nb\\", Added, `/tmp/a\x1b[31m\x0ab\x5c`},
		{"/tmp/\xff", Added, `/tmp/\xff`},
		{"memfd:x", Fileless, "memfd:x"},
		{"/", "", "/"},
		{"", "", ""},
	} {
		if got := normalPath(c.path, c.layer); got != c.want {
			t.Errorf("%s (%s): %s, not %s", c.path, c.layer, got, c.want)
		}
	}
	long := normalPath("/"+strings.Repeat("é", 4000), InImage)
	if len(long) > longest || !strings.HasSuffix(long, cut) || !isPlain(long) {
		t.Errorf("a long path: %d bytes, %q", len(long), long[len(long)-10:])
	}
}

func TestArguments(t *testing.T) {
	class := func(path string, args ...string) string { return classify(path, args) }
	for _, c := range []struct{ got, want string }{
		{class("/usr/bin/curl", "curl", "-u", "a:b", "https://x"), ""},
		{class("/bin/sh", "sh", "/app/run.sh", "x"), "script /app/run.sh"},
		{class("/bin/bash", "bash", "-e", "-o", "pipefail", "/app/run.sh"), "script /app/run.sh"},
		{class("/bin/sh", "sh"), "no script"},
		{class("/bin/bash", "-bash"), "no script"},
		{class("/bin/sh", "sh", "-i"), "no script"},
		{class("/bin/sh"), ""},
		{class("/usr/bin/python3.11", "python3", "-m", "http.server"), "-m http.server"},
		{class("/usr/bin/python3.11", "python3", "-u", "app.py", "--token", "x"), "script app.py"},
		{class("/usr/bin/java", "java", "-Xmx1g", "-cp", "/a:/b", "com.example.Main"), "script com.example.Main"},
		{class("/usr/bin/java", "java", "-jar", "/app.jar"), "-jar /app.jar"},
		{class("/bin/busybox", "wget", "-O-", "x"), "wget"},
		{class("/bin/busybox", "busybox", "sh", "/run.sh"), "sh script /run.sh"},
		{class("/bin/busybox", "sh", "-c", "true")[:5], "sh -c"},
		{class("/bin/sh", "sh", "--flag", "Hunter2aB9xQ"), "script {hidden}"},
		{class("/bin/sh", "sh", "-c", "curl -s http://x | sh")[:len("-c curl, sh #")], "-c curl, sh #"},
		{class("/bin/bash", "bash", "-ec", "nginx -t")[:len("-c nginx #")], "-c nginx #"},
	} {
		if c.got != c.want {
			t.Errorf("%q, not %q", c.got, c.want)
		}
	}
	a, b := class("/bin/sh", "sh", "-c", "cat /etc/hostname"), class("/bin/sh", "sh", "-c", "cat /etc/shadow")
	if a == b {
		t.Errorf("two texts have one class: %s", a)
	}
	one, two := class("/bin/sh", "sh", "-c", "cat /tmp/tmp.aB3dE5fG7h"), class("/bin/sh", "sh", "-c", "cat /tmp/tmp.zZ9xY8wV7u")
	if one != two {
		t.Errorf("%s and %s differ by a name that changes", one, two)
	}
	if one, two := class("/bin/sh", "sh", "-c", "DB_PASSWORD=Tr0ub4dor run"), class("/bin/sh", "sh", "-c", "DB_PASSWORD=c0rrecthorse run"); one != two {
		t.Errorf("the hash depends on a secret: %s, %s", one, two)
	}
}

// TestSecretsStayOut: no secret that stands anywhere in an observation is in what is
// written of it.
func TestSecretsStayOut(t *testing.T) {
	for _, secret := range []string{"ghp_0123456789abcdefghijABCDEFGHIJ012345", "AKIAIOSFODNN7EXAMPLQ", "hunter2hunter2", "Tr0ub4dor&3"} {
		b := New(web(""))
		for _, args := range [][]string{
			{"sh", "-c", "export TOKEN=" + secret + "; curl -H 'Authorization: Bearer " + secret + "' x"},
			{"sh", "-c", "mysql -p" + secret}, {"sh", "-c", `echo "a; ` + secret + `"`}, {"sh", "-c", "echo " + secret + " | passwd"},
			{"sh", "--token", secret, "x"}, {"sh", "--token=" + secret, "x"}, {"python3", "-c", "k='" + secret + "'"},
			{"mysql", "-p" + secret}, {secret}, {"busybox", secret + "!"},
		} {
			for _, path := range []string{"/bin/sh", "/usr/bin/python3", "/usr/bin/mysql"} {
				o := Observation{Kind: Execute, Program: File{path, InImage}, Arguments: args}
				b.Observe(o.Fact(), SeenAt(start, "r", ""))
			}
		}
		if strings.HasPrefix(secret, "ghp") || strings.HasPrefix(secret, "AKIA") { // which are known by their form
			for _, o := range []Observation{
				{Kind: Write, File: File{"/data/" + secret, Added}, Program: File{"/x/" + secret, InImage}},
				{Kind: Resolve, Name: secret + ".a.example.com", Program: File{"/bin/x", InImage}},
			} {
				b.Observe(o.Fact(), SeenAt(start, "r", ""))
			}
		}
		var text bytes.Buffer
		if err := Encode(&text, []*Behavior{b}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(text.String()), strings.ToLower(secret)) {
			t.Errorf("%s is in %s", secret, text.String()[:600])
		}
	}
}

func TestPeers(t *testing.T) {
	at := netip.MustParseAddr
	for _, c := range []struct {
		o    Observation
		want Peer
	}{
		{Observation{Kind: Connect, Peer: Peer{Workload: "Deployment/shop/db", Name: "db", Address: at("10.0.0.1"), Protocol: "tcp", Port: 5432}}, Peer{Workload: "Deployment/shop/db", Protocol: "tcp", Port: 5432}},
		{Observation{Kind: Connect, Peer: Peer{Name: "API.Example.COM.", Address: at("203.0.113.1"), Protocol: "tcp", Port: 443}}, Peer{Name: "api.example.com", Protocol: "tcp", Port: 443}},
		{Observation{Kind: Connect, Peer: Peer{Address: at("::ffff:203.0.113.1"), Protocol: "udp", Port: 53}}, Peer{Address: at("203.0.113.1"), Protocol: "udp", Port: 53}},
		{Observation{Kind: Connect, Peer: Peer{Address: at("fe80::1%eth0"), Protocol: "tcp", Port: 1}}, Peer{Address: at("fe80::1"), Protocol: "tcp", Port: 1}},
		{Observation{Kind: Listen, Peer: Peer{Address: at("0.0.0.0"), Protocol: "tcp", Port: 41234}, PortChosen: true}, Peer{Protocol: "tcp"}},
		{Observation{Kind: Listen, Peer: Peer{Protocol: "tcp", Port: 50051}}, Peer{Protocol: "tcp", Port: 50051}},
	} {
		c.o.Program = File{"/bin/x", InImage}
		f := c.o.Fact()
		if f.Peer != c.want {
			t.Errorf("%+v, not %+v", f.Peer, c.want)
		}
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzFact: whatever a sensor saw becomes a fact that can be read back.
func FuzzFact(f *testing.F) {
	f.Add(0, "/bin/sh", "/tmp/x", "sh\x00-c\x00echo", "db.example.com")
	f.Fuzz(func(t *testing.T, kind int, path, file, args, name string) {
		o := Observation{Kind: Kinds[uint(kind)%uint(len(Kinds))], Program: File{path, Added}, Parent: file, Arguments: strings.Split(args, "\x00"),
			File: File{file, OtherMount}, Name: name, Peer: Peer{Name: name, Protocol: "tcp", Port: 1}}
		fact := o.Fact()
		if err := fact.Check(); err != nil {
			t.Fatalf("%+v: %v", fact, err)
		}
		if fact.Folded() {
			t.Fatalf("%+v is a fold", fact)
		}
		_, wider := fact.folds()
		for i, w := range wider {
			own, wider2 := w.fact.folds()
			if own != w.bound || len(wider2) != len(wider)-i-1 {
				t.Fatalf("%+v: the folds of its fold %d differ: %+v", fact, i, w.fact)
			}
			for j := range wider2 {
				if wider2[j] != wider[i+1+j] {
					t.Fatalf("%+v: the folds of its fold %d differ: %+v, %+v", fact, i, wider2[j], wider[i+1+j])
				}
			}
		}
	})
}
