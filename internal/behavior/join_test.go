package behavior

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// liveCluster makes a snapshot of objects in JSON.
func liveCluster(t *testing.T, texts ...string) *model.Snapshot {
	t.Helper()
	var objects []*model.Object
	for _, text := range texts {
		root, err := tree.FromJSON([]byte(text), nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		o, err := model.NewLiveObject(root, model.Live{Cluster: "dev", Interner: tree.NewInterner()})
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return model.NewSnapshot(objects, true)
}

func onDay(n int) string { return (start + Moment(n*day)).Time().Format(time.RFC3339) }

func hashOf(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// liveObject is one of the namespace shop that a controller may have made.
func liveObject(apiVersion, kind, name string, made int, owner, rest string) string {
	owners := ""
	if ownerKind, ownerName, ok := strings.Cut(owner, "/"); ok {
		of := map[string]string{"Job": "batch/v1", "CronJob": "batch/v1"}[ownerKind]
		if of == "" {
			of = "apps/v1"
		}
		owners = fmt.Sprintf(`, "ownerReferences": [{"apiVersion": %q, "kind": %q, "name": %q, "uid": "uid-%s", "controller": true}]`, of, ownerKind, ownerName, ownerName)
	}
	return fmt.Sprintf(`{"apiVersion": %q, "kind": %q, "metadata": {"name": %q, "namespace": "shop", "uid": "uid-%s", "creationTimestamp": %q%s}, %s}`,
		apiVersion, kind, name, name, onDay(made), owners, rest)
}

const oneContainer = `{"containers": [{"name": "web", "image": "web:1", "readinessProbe": {"exec": {"command": ["sh", "-c", "wget -q localhost:8080"]}}}], "ephemeralContainers": [{"name": "debugger", "image": "busybox"}]}`

func livePod(name, container, owner string, made int, digest, address string) string {
	return liveObject("v1", "Pod", name, made, owner, fmt.Sprintf(`"spec": %s, "status": {"phase": "Running", "podIP": %q, "containerStatuses": [{"name": %q, "imageID": "r.example/web@%s"}]}`,
		strings.Replace(oneContainer, `"web"`, fmt.Sprintf("%q", container), 1), address, container, digest))
}

func template(kind, name, owner string) string {
	return liveObject("apps/v1", kind, name, 0, owner, `"spec": {"template": {"spec": `+oneContainer+`}}`)
}

// recordedPod is what a node tells of one.
type recordedPod struct {
	name      string
	from, to  int // days
	addresses map[string]int
	deeds     []Observation
}

func (r *recordedPod) behavior() *Behavior {
	b := New(Subject{Namespace: "shop", Kind: KindPod, Name: r.name, Container: "web"})
	replica := "shop/" + r.name
	for d := r.from; d < r.to; d++ {
		at := start + Moment(d*day+hour)
		for i := range r.deeds {
			b.Observe(r.deeds[i].Fact(), SeenAt(at, replica, ""))
		}
		for address, port := range r.addresses {
			o := Observation{Kind: Connect, Origin: Entrypoint, Program: File{"/usr/sbin/nginx", InImage}, Peer: Peer{Address: netip.MustParseAddr(address), Protocol: "tcp", Port: uint16(port)}}
			b.Observe(o.Fact(), SeenAt(at, replica, ""))
		}
	}
	b.Coverage.Watch(Interval{Replica: replica, Session: "s1", From: start + Moment(r.from*day) + 30, To: start + Moment(r.to*day) - 1, Tier: TierTracing, Whole: true})
	return b
}

// TestJoinedLife records pods as a node does, of a workload that is rolled out with one
// more program, rolled back and scaled, while the database that it talks to moves. Each
// recording is joined with the cluster of its time. One difference is left, and named.
func TestJoinedLife(t *testing.T) {
	service := liveObject("v1", "Service", "db", 0, "", `"spec": {"clusterIP": "10.96.0.5", "selector": {"app": "db"}}`)
	workloads := []string{service, template("Deployment", "web", ""), template("ReplicaSet", "web-7d4b9c8f6d", "Deployment/web"), template("ReplicaSet", "web-5c6f7d8b9c", "Deployment/web"),
		template("StatefulSet", "db", "")}
	probe := Observation{Kind: Execute, Origin: Exec, Program: File{"/bin/dash", InImage}, Arguments: []string{"sh", "-c", "wget -q localhost:8080"}, Parent: "/usr/sbin/runc"}
	fetches := Observation{Kind: Execute, Origin: Exec, Program: File{"/usr/bin/wget", InImage}, Arguments: []string{"wget"}, Parent: "/bin/dash"}
	deeds := append(server(), probe, fetches)
	v1, v2 := hashOf("1"), hashOf("2")

	steps := []struct {
		cluster []string
		pods    []recordedPod
	}{
		{[]string{livePod("web-7d4b9c8f6d-aaaaa", "web", "ReplicaSet/web-7d4b9c8f6d", 0, v1, "10.1.0.2"), livePod("db-0", "db", "StatefulSet/db", 0, hashOf("d"), "10.1.0.9")},
			[]recordedPod{{"web-7d4b9c8f6d-aaaaa", 0, 10, map[string]int{"10.1.0.9": 5432, "10.96.0.5": 5432}, deeds}}},
		{[]string{livePod("web-5c6f7d8b9c-bbbbb", "web", "ReplicaSet/web-5c6f7d8b9c", 10, v2, "10.1.0.3"), livePod("db-0", "db", "StatefulSet/db", 10, hashOf("d"), "10.1.0.10")},
			[]recordedPod{{"web-5c6f7d8b9c-bbbbb", 10, 12, map[string]int{"10.1.0.10": 5432, "10.96.0.5": 5432}, append(slices.Clone(deeds), executes("/usr/bin/convert"))}}},
		{[]string{livePod("web-7d4b9c8f6d-ccccc", "web", "ReplicaSet/web-7d4b9c8f6d", 12, v1, "10.1.0.4"), livePod("web-7d4b9c8f6d-ddddd", "web", "ReplicaSet/web-7d4b9c8f6d", 13, v1, "10.1.0.5"),
			livePod("db-0", "db", "StatefulSet/db", 12, hashOf("d"), "10.1.0.11")},
			[]recordedPod{{"web-7d4b9c8f6d-ccccc", 12, 16, map[string]int{"10.1.0.11": 5432}, deeds}, {"web-7d4b9c8f6d-ddddd", 13, 16, map[string]int{"10.96.0.5": 5432}, deeds}}},
	}
	joined := map[Subject]*Behavior{}
	for _, step := range steps {
		pods := NewPods(liveCluster(t, append(slices.Clone(workloads), step.cluster...)...), false)
		for _, r := range step.pods {
			recorded := r.behavior()
			before := recorded.Clone()
			j := pods.Join(recorded)
			if j.Unjoined != "" || j.ByName {
				t.Fatalf("%s: %q, by name %v", r.name, j.Unjoined, j.ByName)
			}
			if !recorded.Equal(before) {
				t.Errorf("%s: the recording changed", r.name)
			}
			if again := pods.Join(j.Behavior); !again.Equal(j.Behavior) {
				t.Errorf("%s: to join it again changes it", r.name)
			}
			if known := joined[j.Subject]; known == nil {
				joined[j.Subject] = j.Behavior
			} else if err := known.Merge(j.Behavior); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all []*Behavior
	for s, b := range joined {
		if s.Workload() != "Deployment/shop/web" || s.Cluster != "dev" {
			t.Errorf("there is %s", &s)
		}
		all = append(all, b)
	}
	if len(all) != 2 {
		t.Fatalf("%d images", len(all))
	}
	p, err := NewProfile(all, Options{Replicas: 2})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "in all", said(p.Differences()), "new: /usr/bin/convert runs, begun by /usr/sbin/nginx")
	if d := p.Differences(); len(d) == 1 && (p.Images[d[0].Images[0]].Digest != v2 || !d[0].WithImage) {
		t.Errorf("%+v", d[0])
	}
	wants(t, "by people", said(p.People))
	if got := p.Summary.Words(); got != "16 of 16 days, 4 replicas in the course of time for 2, 62 s not watched in between, nothing lost" {
		t.Error(got)
	}
	if p.Images[p.Latest()].Digest != v1 {
		t.Errorf("the latest is %s", p.Images[p.Latest()].Digest)
	}
	var peers []string
	for _, d := range p.Deeds {
		if d.Kind == Connect {
			peers = append(peers, d.Peer.String())
		}
	}
	wants(t, "peers", peers, "db.shop.svc:5432/tcp", "Deployment/shop/db:5432/tcp", "StatefulSet/shop/db:5432/tcp")
}

// TestJoinedRuns records four equal runs of a CronJob, and a fifth that connects
// elsewhere: after one too little is known, and the connection alone is new.
func TestJoinedRuns(t *testing.T) {
	objects := []string{liveObject("batch/v1", "CronJob", "export", 0, "", `"spec": {"jobTemplate": {"spec": {"template": {"spec": `+oneContainer+`}}}}`)}
	for n := range 5 {
		job := fmt.Sprint("export-2938", n)
		objects = append(objects, liveObject("batch/v1", "Job", job, n, "CronJob/export", `"spec": {"template": {"spec": `+oneContainer+`}}`),
			strings.Replace(livePod(job+"-xxxxx", "web", "Job/"+job, n, hashOf("e"), "10.1.0.7"), "Running", "Succeeded", 1))
	}
	pods := NewPods(liveCluster(t, objects...), false)
	var all []*Behavior
	profile := func() *Profile {
		p, err := NewProfile(all, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for n := range 5 {
		r := recordedPod{name: fmt.Sprintf("export-2938%d-xxxxx", n), from: n, to: n + 1, deeds: []Observation{executes("/app/export"), connects("/app/export", "StatefulSet/shop/db", 5432)}}
		if n == 4 {
			o := Observation{Kind: Connect, Origin: Entrypoint, Outcome: Denied, Program: File{"/app/export", InImage}, Peer: Peer{Address: netip.MustParseAddr("203.0.113.7"), Protocol: "tcp", Port: 443}}
			r.deeds = append(r.deeds, o)
		}
		b := r.behavior()
		b.Coverage.intervals[0].Ended = true
		j := pods.Join(b)
		if j.Unjoined != "" || j.Subject.Workload() != "CronJob/shop/export" || j.Subject.Image != hashOf("e") {
			t.Fatalf("%s: %q", &j.Subject, j.Unjoined)
		}
		if len(all) == 0 {
			all = append(all, j.Behavior)
		} else if err := all[0].Merge(j.Behavior); err != nil {
			t.Fatal(err)
		}
		p := profile()
		if n == 0 && p.Lacking != "too little seen: 1 run, and 3 are needed" {
			t.Errorf("after one run: %q", p.Lacking)
		}
		if n < 4 {
			wants(t, fmt.Sprint("run ", n), said(p.Differences()))
			continue
		}
		for _, d := range p.Deeds {
			want := 5
			if d.Outcome == Denied {
				want = 1
			}
			if got, exact := d.Seen.Runs.Len(); got != want || !exact {
				t.Errorf("%s in %d runs, not in %d", d.String(), got, want)
			}
		}
		wants(t, "the fifth", said(p.Differences()), "new: /app/export connects to 203.0.113.7:443/tcp, and was denied")
		if p.Summary.Runs != 5 {
			t.Errorf("%d runs", p.Summary.Runs)
		}
	}
}

// TestUnjoined: what a snapshot does not say is not made up.
func TestUnjoined(t *testing.T) {
	base := []string{template("Deployment", "web", ""), template("ReplicaSet", "web-7d4b9c8f6d", "Deployment/web"), template("StatefulSet", "db", ""),
		livePod("web-7d4b9c8f6d-aaaaa", "web", "ReplicaSet/web-7d4b9c8f6d", 5, hashOf("1"), "10.1.0.2"), livePod("db-0", "web", "StatefulSet/db", 5, hashOf("1"), ""),
		livePod("orphan-zzzzz", "web", "ReplicaSet/gone", 5, hashOf("1"), ""), livePod("half-zzzzz", "web", "ReplicaSet/half", 5, hashOf("1"), ""),
		template("ReplicaSet", "half", "Deployment/gone"), livePod("bare", "web", "", 5, hashOf("1"), "")}
	for _, c := range []struct {
		pod              string
		from, to         int
		byName           bool
		workload, image  string
		unjoined         string
		concludedOfNames bool
	}{
		{"web-7d4b9c8f6d-aaaaa", 5, 6, false, "Deployment/shop/web", hashOf("1"), "", false},
		{"db-0", 5, 6, false, "StatefulSet/shop/db", hashOf("1"), "", false},
		{"db-0", 3, 5, false, "StatefulSet/shop/db", "", "", false}, // the pod of that name before this one
		{"bare", 5, 6, false, "Pod/shop/bare", hashOf("1"), "", false},
		{"orphan-zzzzz", 5, 6, false, "Pod/shop/orphan-zzzzz", "", "its ReplicaSet gone is not in the snapshot", false},
		{"half-zzzzz", 5, 6, false, "Pod/shop/half-zzzzz", "", "its Deployment gone is not in the snapshot", false},
		{"web-7d4b9c8f6d-bbbbb", 5, 6, false, "Pod/shop/web-7d4b9c8f6d-bbbbb", "", "the snapshot does not hold it", false},
		{"web-7d4b9c8f6d-bbbbb", 5, 6, true, "Deployment/shop/web", hashOf("1"), "", true},
		{"web-5c6f7d8b9c-bbbbb", 5, 6, true, "Deployment/shop/web", "", "", true},
		{"db-1", 5, 6, true, "StatefulSet/shop/db", "", "", true},
		{"web-tools", 5, 6, true, "Pod/shop/web-tools", "", "the snapshot does not hold it", false},
		{"web-aaaaa", 5, 6, true, "Pod/shop/web-aaaaa", "", "the snapshot does not hold it", false}, // a vowel is in no name that is made
	} {
		r := recordedPod{name: c.pod, from: c.from, to: c.to, deeds: server()}
		j := NewPods(liveCluster(t, base...), c.byName).Join(r.behavior())
		if j.Subject.Workload() != c.workload || j.Subject.Image != c.image || j.Unjoined != c.unjoined || j.ByName != c.concludedOfNames {
			t.Errorf("%s, by name %v: %s, %q, by name %v", c.pod, c.byName, &j.Subject, j.Unjoined, j.ByName)
		}
	}
}

// TestPeersThatMoved: an address is only given to who had it when it was seen.
func TestPeersThatMoved(t *testing.T) {
	pods := NewPods(liveCluster(t, livePod("late", "web", "", 5, hashOf("1"), "10.1.0.2")), false)
	for _, c := range []struct {
		from int
		want string
	}{{5, "Pod/shop/late"}, {4, ""}} {
		r := recordedPod{name: "other", from: c.from, to: 8, addresses: map[string]int{"10.1.0.2": 80}}
		for f := range pods.Join(r.behavior()).Facts() {
			if f.Peer.Workload != c.want {
				t.Errorf("from day %d: %s", c.from, f.Peer)
			}
		}
	}
}

// TestProbes tells the commands of probes, and what comes of them, from what people do.
func TestProbes(t *testing.T) {
	pod := liveCluster(t, livePod("p", "web", "", 0, hashOf("1"), ""))
	run := func(path, parent string, args ...string) Observation {
		return Observation{Kind: Execute, Origin: Exec, Program: File{path, InImage}, Arguments: args, Parent: parent}
	}
	const command = "wget -q localhost:8080"
	probe := run("/bin/dash", "/usr/sbin/runc", "sh", "-c", command)
	child := run("/usr/bin/wget", "/bin/dash", "wget", "-q", "localhost:8080")
	fetch := connects("/usr/bin/wget", "Pod/shop/p", 8080)
	fetch.Origin = Exec
	for name, c := range map[string]struct {
		deeds     []Observation
		container string
		want      string // origin by program
	}{
		"a probe":             {[]Observation{probe, child, fetch}, "web", "connect /usr/bin/wget probe, execute /bin/dash probe, execute /usr/bin/wget probe"},
		"a person's shell":    {[]Observation{run("/bin/dash", "/usr/sbin/runc", "sh")}, "web", "execute /bin/dash exec"},
		"another text":        {[]Observation{run("/bin/dash", "/usr/sbin/runc", "sh", "-c", command+" /admin")}, "web", "execute /bin/dash exec"},
		"both":                {[]Observation{probe, child, fetch, run("/bin/dash", "/usr/sbin/runc", "sh")}, "web", "connect /usr/bin/wget exec, execute /bin/dash exec, execute /bin/dash probe, execute /usr/bin/wget exec"},
		"a person's own tool": {[]Observation{probe, child, run("/usr/bin/id", "/usr/sbin/runc", "id")}, "web", "execute /bin/dash probe, execute /usr/bin/id exec, execute /usr/bin/wget probe"},
		"nobody's connection": {[]Observation{probe, fetch}, "web", "connect /usr/bin/wget exec, execute /bin/dash probe"}, // of a program that was not seen to begin
		"a debug container":   {[]Observation{run("/bin/sh", "/usr/sbin/runc", "sh")}, "debugger", "execute /bin/sh debug"},
		"of busybox":          {[]Observation{run("/bin/busybox", "/usr/sbin/runc", "sh", "-c", command)}, "web", "execute /bin/busybox probe"},
		"a dropped shell":     {[]Observation{{Kind: Execute, Origin: Exec, Program: File{"/bin/dash", Added}, Arguments: []string{"sh", "-c", command}, Parent: "/usr/sbin/runc"}}, "web", "execute /bin/dash exec"},
	} {
		b := New(Subject{Namespace: "shop", Kind: KindPod, Name: "p", Container: c.container})
		for i := range c.deeds {
			b.Observe(c.deeds[i].Fact(), SeenAt(start+hour, "shop/p", ""))
		}
		var got []string
		for f := range NewPods(pod, false).Join(b).Facts() {
			got = append(got, fmt.Sprint(f.Kind, " ", f.Program.Path, " ", f.Origin))
		}
		slices.Sort(got)
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %s", name, strings.Join(got, ", "))
		}
	}
}

func TestProgramOfCommand(t *testing.T) {
	for _, c := range []struct {
		path    string
		args    []string // that it ran with
		command []string
		want    bool
	}{
		{"/bin/cat", []string{"cat", "/tmp/healthy"}, []string{"cat", "/tmp/healthy"}, true},
		{"/usr/bin/cat", []string{"/bin/cat"}, []string{"/bin/cat", "x"}, true},
		{"/opt/cat", []string{"cat"}, []string{"cat"}, false},
		{"/opt/cat", []string{"/opt/cat"}, []string{"/opt/cat"}, true},
		{"/bin/busybox", []string{"cat", "/x"}, []string{"cat", "/x"}, true},
		{"/bin/busybox", []string{"rm", "/x"}, []string{"cat", "/x"}, false},
		{"/usr/bin/perl", []string{"/usr/bin/perl", "/usr/bin/pg_isready"}, []string{"/usr/bin/pg_isready"}, true},
		{"/usr/bin/python3.11", []string{"python3", "-c", "x"}, []string{"python3", "-c", "y"}, false},
		{"/bin/bash", []string{"sh", "-c", strings.Repeat("true;", 100)[:255-len("sh\x00-c\x00")]}, []string{"sh", "-c", strings.Repeat("true;", 100)}, true},
	} {
		o := Observation{Kind: Execute, Program: File{c.path, InImage}, Arguments: c.args}
		f := o.Fact()
		if got := f.Program.runs(c.command); got != c.want {
			t.Errorf("%s %q is %q: %v", c.path, c.args, c.command, got)
		}
	}
}
