//go:build integration && linux

package cli

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// service is a container of runc on the network of this machine. Its image is what is
// installed here, and the files below own.
type service struct {
	name, id, dir string
	user          string
	args          []string
	running       *exec.Cmd
	out           strings.Builder
}

// newService makes one. shared is at /data in it, files by path are in its image.
func newService(t *testing.T, name, as, shared string, files map[string]string, args ...string) *service {
	t.Helper()
	s := &service{name: name, id: "ullage-benign-" + name + "-" + strings.ToLower(rand.Text()[:6]), dir: t.TempDir(), user: as, args: args}
	for _, dir := range []string{"own", "upper", "root", "state"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files["/data/.keep"], files["/var/log/app/.keep"], files["/run/app/.keep"] = "", "", ""
	for path, text := range files {
		path = filepath.Join(s.dir, "own", path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	id := func(of func(*user.User) string) int {
		u, err := user.Lookup(as)
		if err != nil {
			t.Skipf("needs the user %s: %v", as, err)
		}
		n, err := strconv.Atoi(of(u))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	uid, gid := id(func(u *user.User) string { return u.Uid }), id(func(u *user.User) string { return u.Gid })
	usual := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"}
	capabilities := map[string]any{"bounding": usual}
	if uid == 0 {
		capabilities["effective"], capabilities["permitted"] = usual, usual
	}
	if err := os.Chown(shared, uid, gid); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.2", "root": map[string]any{"path": "root"},
		"mounts": []map[string]any{
			{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"mode=755"}},
			{"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": []string{"mode=1777"}},
			{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": []string{"mode=1777"}},
			{"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": []string{"mode=1777"}},
			{"destination": "/data", "type": "bind", "source": shared, "options": []string{"bind"}},
		},
		"process": map[string]any{
			"args": args, "cwd": "/", "user": map[string]int{"uid": uid, "gid": gid}, "capabilities": capabilities,
			"env": []string{"PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"},
		},
		"linux": map[string]any{
			"cgroupsPath": "/" + s.id, "resources": map[string]any{"pids": map[string]int{"limit": 200}},
			"namespaces": []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	return s
}

// start starts it with a new writable layer. Nothing stays mounted after it.
func (s *service) start(t *testing.T) {
	t.Helper()
	script := `mount -t tmpfs tmpfs upper && mkdir upper/u upper/w && cp -a own upper && mount -t overlay overlay -o lowerdir=upper/own:/,upperdir=upper/u,workdir=upper/w root && exec runc --root "$PWD/state" run "$1"`
	s.running = exec.Command("unshare", "-m", "sh", "-c", script, "sh", s.id)
	s.running.Dir, s.running.WaitDelay = s.dir, 10*time.Second
	s.running.Stdout, s.running.Stderr = &s.out, &s.out
	if err := s.running.Start(); err != nil {
		t.Fatal(err)
	}
}

// run runs it to its end.
func (s *service) run(t *testing.T) {
	t.Helper()
	s.start(t)
	waits := time.AfterFunc(time.Minute, func() { _ = s.runc("kill", s.id, "KILL").Run() })
	defer waits.Stop()
	err := s.running.Wait()
	s.running = nil
	if err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, s.out.String())
	}
}

func (s *service) runc(args ...string) *exec.Cmd {
	return exec.Command("runc", append([]string{"--root", filepath.Join(s.dir, "state")}, args...)...)
}

// stop ends it as an orchestrator does: asked, and after a while killed.
func (s *service) stop(t *testing.T) {
	if s.running == nil {
		return
	}
	_ = s.runc("kill", s.id, "TERM").Run()
	killed := time.AfterFunc(15*time.Second, func() { _ = s.runc("kill", s.id, "KILL").Run() })
	defer killed.Stop()
	_ = s.running.Wait()
	s.running = nil
}

// operator runs a command in it as kubectl exec does.
func (s *service) operator(t *testing.T, args ...string) {
	t.Helper()
	if out, err := s.runc(append([]string{"exec", s.id}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %v\n%s%s", s.name, args, err, out, s.out.String())
	}
}

// ready waits until it answers.
func (s *service) ready(t *testing.T, answers func() error) {
	t.Helper()
	until := time.Now().Add(time.Minute)
	for {
		err := answers()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s: %v\n%s", s.name, err, s.out.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// watching is a watch by the recommended rules while a function runs; it returns the
// alerts, and for each container how many things were seen of it.
func watching(t *testing.T, do func()) (alerts []string, seen map[string]int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	var problems strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, &Program{Args: []string{"watch", "-o", "json"}, Stdout: in, Stderr: &problems, Getenv: func(string) string { return "" }})
		in.Close()
	}()
	seen = map[string]int{}
	begun := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var j eventJSON
			if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
				t.Errorf("%s: %v", lines.Text(), err)
			}
			name := cmp.Or(j.Container.Name, path.Base(j.Container.Group))
			switch {
			case j.Event == "watching":
				close(begun)
			case j.Event == sensor.Alerted && strings.HasPrefix(name, "ullage-benign-"):
				alerts = append(alerts, fmt.Sprintf("%s: %s (%s): %s", name, j.Rules[0].Message, j.Rules[0].ID, lines.Text()))
			case j.Event == sensor.Did && j.Fact != nil && j.Fact.Kind != behavior.Syscall:
				seen[name]++
			}
		}
	})
	select {
	case <-begun:
		do()
		stop()
	case got := <-code:
		reading.Wait()
		if strings.Contains(problems.String(), "cannot run here") {
			t.Skip(problems.String())
		}
		t.Fatalf("exit code %d: %s", got, problems.String())
	}
	reading.Wait()
	return alerts, seen
}

// freePort is one that nothing listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestBenignWorkloadsWatched lets workloads of different kinds work under load, with
// restarts, log rotation and an operator: no recommended rule minds any of it, and one
// dropped program among it is told.
func TestBenignWorkloadsWatched(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"runc", "unshare", "nginx", "redis-server", "logrotate", "/usr/bin/python3", postgres("pg_ctl"), postgres("pgbench")} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	var web *service
	alerts, seen := watching(t, func() {
		web = useWeb(t)
		useDatabase(t)
		useQueue(t)
	})
	for _, alert := range alerts {
		t.Error(alert)
	}
	for _, name := range []string{"web", "primary", "standby", "backup", "queue", "worker"} {
		found := 0
		for container, n := range seen {
			if strings.HasPrefix(container, "ullage-benign-"+name) {
				found += n
			}
		}
		if found < 5 {
			t.Errorf("only %d things were seen of %s", found, name)
		}
	}
	alerts, _ = watching(t, func() {
		web.start(t)
		web.ready(t, func() error { return web.runc("exec", web.id, "true").Run() })
		web.operator(t, "sh", "-c", "cp /usr/bin/true /opt/dropped && /opt/dropped")
		web.stop(t)
	})
	if len(alerts) == 0 {
		t.Error("a dropped program in the same container is no alert: the test proves nothing")
	}
}

// useWeb is a web server that a long shell script configures, with its logs rotated.
func useWeb(t *testing.T) *service {
	port := freePort(t)
	web := newService(t, "web", "root", t.TempDir(), map[string]string{
		"/entrypoint.sh": `#!/bin/sh
set -eu
for part in /entrypoint.d/*.sh; do
  [ -x "$part" ] && . "$part"
done
mkdir -p /run/nginx /var/log/app
chown www-data:www-data /var/log/app
echo "$(date -u +%FT%TZ) $(hostname) as $(id -un), $(nproc) processors, $(awk '/MemTotal/ {print $2}' /proc/meminfo) kB" >/var/log/app/start.log
sed "s/@PORT@/$PORT/; s/@WORKERS@/$(getconf _NPROCESSORS_ONLN)/" /etc/app/nginx.conf.template >/run/nginx/nginx.conf
grep -q listen /run/nginx/nginx.conf || { echo "no port" >&2; exit 1; }
( while sleep 1; do logrotate -s /run/rotated /etc/app/logrotate.conf || true; done ) &
exec nginx -c /run/nginx/nginx.conf -g "daemon off;"
`,
		"/entrypoint.d/10-port.sh": "PORT=" + port + "\n",
		"/etc/app/nginx.conf.template": `user www-data;
worker_processes @WORKERS@;
pid /run/nginx/nginx.pid;
error_log /var/log/app/error.log;
events { worker_connections 256; }
http {
  access_log /var/log/app/access.log;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  server { listen 127.0.0.1:@PORT@; root /usr/share/nginx/html; gzip on; }
}
`,
		"/etc/app/logrotate.conf": "/var/log/app/*.log {\n size 1k\n rotate 3\n compress\n su root root\n postrotate\n  kill -USR1 $(cat /run/nginx/nginx.pid)\n endscript\n}\n",
	}, "/entrypoint.sh")
	get := func(path string) error {
		r, err := http.Get("http://127.0.0.1:" + port + path)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		_, err = io.Copy(io.Discard, r.Body)
		return err
	}
	for range 2 { // and a restart
		web.start(t)
		web.ready(t, func() error { return get("/") })
		var load sync.WaitGroup
		for range 4 {
			load.Go(func() {
				for i := range 300 {
					if err := get([]string{"/", "/index.html", "/missing"}[i%3]); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		load.Wait()
		web.ready(t, func() error { return web.runc("exec", web.id, "sh", "-c", "ls /var/log/app/*.1* >/dev/null").Run() })
		web.operator(t, "sh", "-c", "ps aux; ls -l /var/log/app; tail -n 3 /var/log/app/start.log; cat /etc/os-release; df -h /; nginx -t -c /run/nginx/nginx.conf")
		web.operator(t, "nginx", "-c", "/run/nginx/nginx.conf", "-s", "reload")
		web.stop(t)
	}
	return web
}

func postgres(program string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if len(found) == 0 {
		return program
	}
	return found[len(found)-1]
}

// useDatabase is a database with a standby that takes over, under load, and a job that
// saves it.
func useDatabase(t *testing.T) {
	bin := filepath.Dir(postgres("pg_ctl"))
	first, second := freePort(t), freePort(t)
	primary := newService(t, "primary", "postgres", t.TempDir(), map[string]string{"/entrypoint.sh": `#!/bin/sh
set -e
PATH=$PATH:` + bin + `
if [ ! -s /data/db/PG_VERSION ]; then
  initdb -D /data/db --auth=trust --username=postgres
  { echo "port = ` + first + `"; echo "listen_addresses = '127.0.0.1'"; echo "unix_socket_directories = '/tmp'"; echo "archive_mode = on"; echo "archive_command = 'test ! -f /data/%f && cp %p /data/%f'"; } >>/data/db/postgresql.conf
fi
exec postgres -D /data/db
`}, "/entrypoint.sh")
	standby := newService(t, "standby", "postgres", t.TempDir(), map[string]string{"/entrypoint.sh": `#!/bin/sh
set -e
PATH=$PATH:` + bin + `
if [ ! -s /data/db/PG_VERSION ]; then
  until pg_isready -h 127.0.0.1 -p ` + first + `; do sleep 0.2; done
  pg_basebackup -h 127.0.0.1 -p ` + first + ` -U postgres -D /data/db -R -X stream -c fast
  chmod 700 /data/db
  echo "port = ` + second + `" >>/data/db/postgresql.conf
fi
exec postgres -D /data/db
`}, "/entrypoint.sh")
	ask := func(port string, args ...string) error {
		out, err := exec.Command(args[0], append(args[1:], "-h", "127.0.0.1", "-p", port, "-U", "postgres", "postgres")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	query := func(port, text string) error { return ask(port, postgres("psql"), "-c", text) }
	load := func(port string) {
		t.Helper()
		if err := ask(port, postgres("pgbench"), "-n", "-c", "4", "-T", "3"); err != nil {
			t.Error(err)
		}
	}
	primary.start(t)
	primary.ready(t, func() error { return query(first, "select 1") })
	if err := ask(first, postgres("pgbench"), "-i", "-q"); err != nil {
		t.Fatal(err)
	}
	standby.start(t)
	standby.ready(t, func() error { return query(second, "select 1") })
	load(first)
	saves := newService(t, "backup", "postgres", t.TempDir(), map[string]string{},
		"/bin/sh", "-ec", "pg_dump -h 127.0.0.1 -p "+first+" -U postgres postgres | gzip >/data/$(date +%s%N).sql.gz; find /data -name '*.sql.gz' -mtime +7 -delete; ls -l /data | wc -l")
	for range 4 {
		saves.run(t)
	}
	primary.operator(t, bin+"/psql", "-h", "127.0.0.1", "-p", first, "-U", "postgres", "-c", "select pg_switch_wal()")
	primary.stop(t)
	standby.operator(t, bin+"/pg_ctl", "promote", "-D", "/data/db")
	standby.ready(t, func() error { return query(second, "create table if not exists after_failover (n int)") })
	load(second)
	standby.stop(t)
	standby.start(t)
	standby.ready(t, func() error { return query(second, "select 1") })
	standby.stop(t)
}

// useQueue is a queue, and a worker that takes from it.
func useQueue(t *testing.T) {
	port := freePort(t)
	queue := newService(t, "queue", "redis", t.TempDir(), map[string]string{},
		"redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", "/data", "--appendonly", "yes", "--save", "1 1")
	worker := newService(t, "worker", "www-data", t.TempDir(), map[string]string{"/app/worker.py": `import json, os, socket, subprocess, sys, tempfile
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
f = c.makefile("rb")
def ask(*words):
    c.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    def value():
        line = f.readline().strip()
        if line[:1] == b"$":
            return f.read(int(line[1:]) + 2)[:-2] if line[1:] != b"-1" else None
        if line[:1] == b"*":
            return [value() for _ in range(int(line[1:]))]
        return line[1:]
    return value()
while True:
    _, job = ask(b"BRPOP", b"jobs", b"0")
    n = int(job)
    with tempfile.NamedTemporaryFile("w", dir="/data", delete=False) as out:
        json.dump({"job": n, "square": n * n, "by": os.getpid()}, out)
    os.replace(out.name, "/data/last.json")
    if n % 50 == 0:
        subprocess.run(["gzip", "-kf", "/data/last.json"], check=True)
    ask(b"INCR", b"done")
`}, "/usr/bin/python3", "/app/worker.py", port)
	redis := func(command string) (string, error) {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err != nil {
			return "", err
		}
		defer c.Close()
		fmt.Fprintf(c, "%s\r\n", command)
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && line == "$-1\r\n" {
			err = fmt.Errorf("no %s yet", command)
		}
		return line, err
	}
	for range 2 { // and a restart of both
		queue.start(t)
		queue.ready(t, func() error { _, err := redis("PING"); return err })
		worker.start(t)
		for n := range 200 {
			if _, err := redis("LPUSH jobs " + strconv.Itoa(n)); err != nil {
				t.Fatal(err)
			}
		}
		worker.ready(t, func() error {
			line, err := redis("EXISTS jobs")
			if err == nil && line != ":0\r\n" {
				err = fmt.Errorf("jobs are left: %s", line)
			}
			return err
		})
		queue.operator(t, "redis-cli", "-p", port, "bgrewriteaof")
		worker.stop(t)
		queue.stop(t)
	}
}
