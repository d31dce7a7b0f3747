package credential

import (
	"hash/crc32"
	"testing"
)

// TestClients finds passwords in the arguments of clients, and nothing else there.
func TestClients(t *testing.T) {
	for _, test := range []struct{ path, text, value, shown string }{
		{"/x", "curl -u deploy:Zk3rTq9w https://a.dev\n", "Zk3rTq9w", "curl -u [redacted]"},
		{"/x", "curl -s \\\n  -udeploy:Zk3rTq9w https://a.dev\n", "Zk3rTq9w", "curl -u[redacted]"},
		{"/x", `/usr/bin/curl --user "deploy:Zk3 rTq9w" x`, "Zk3 rTq9w", "curl --user [redacted]"},
		{"/x", "mysql -u root -p'Zk3rTq9w' shop", "Zk3rTq9w", "mysql -p[redacted]"},
		{"/x", "mariadb-dump -pZk3rTq9w|gzip", "Zk3rTq9w", "mariadb-dump -p[redacted]"},
		{"/x", "sshpass -p Zk3rTq9w ssh a", "Zk3rTq9w", "sshpass -p [redacted]"},
		{"/x", "sshpass -pZk3rTq9w ssh a", "Zk3rTq9w", "sshpass -p[redacted]"},
		{"/x", `["redis-cli","-a","Zk3rTq9w","ping"]`, "Zk3rTq9w", "redis-cli -a [redacted]"},
		{"/x", `["redis-cli", "-a", "Zk3rTq9w", "ping"]`, "Zk3rTq9w", "redis-cli -a [redacted]"},
		{"/x", "mongodump -h db -p Zk3rTq9w", "Zk3rTq9w", "mongodump -p [redacted]"},
		{"/x", "sh -c 'ldapsearch -w Zk3rTq9w -x'", "Zk3rTq9w", "ldapsearch -w [redacted]"},
		{"/x.php", "define('DB_PASSWORD', 'zkartqwu');", "", ""},
		{"/x.php", "define( \"DB_PASSWORD\" , 'zkartqwuabcdefkrt');", "zkartqwuabcdefkrt", "DB_PASSWORD=[redacted]"},
		{"/x.php", "undefine('DB_PASSWORD') or ask('DB_PASSWORD', 'zkartqwuabcdefkrt');", "", ""},
		{"/run", "#!/bin/bash -e\nDB_PASSWORD=Zk3rTq9w\n", "Zk3rTq9w", "DB_PASSWORD=[redacted]"},
		{"/run", "#! /usr/bin/env sh\nDB_PASSWORD=Zk3rTq9w\n", "Zk3rTq9w", "DB_PASSWORD=[redacted]"},
		{"/run", "DB_PASSWORD=Zk3rTq9w\n", "", ""},
		{"/usr/lib/run", "#!/bin/sh\nDB_PASSWORD=Zk3rTq9w\n", "", ""},
		{"/x", "curl -u $USER:$PASS x\ncurl -u admin:admin x; curl x -u\ncurl -u name:password x # -u a:Zk3rTq9w", "", ""},
		{"/x", "mysql -p $X; mysql -port 3306; mysql -p shop; mysql -password; mysql -p$Zk3rTq9w", "", ""},
		{"/x", "mycurl -u deploy:Zk3rTq9w; curl\n-u deploy:Zk3rTq9w; libmysql -pZk3rTq9w", "", ""},
		{"/x", "docker run -p 8080:80 mysql | wget -pZk3rTq9w", "", ""},
	} {
		hits := NewSearch(test.path).Window([]byte(test.text), 0, len(test.text))
		switch {
		case test.value == "" && len(hits) == 0:
		case len(hits) != 1 || test.value == "" || hits[0].Shown != test.shown:
			t.Errorf("%s %q: %+v, want %q", test.path, test.text, hits, test.shown)
		default:
			if at := int(hits[0].Offset); test.text[at:min(len(test.text), at+len(test.value))] != test.value {
				t.Errorf("%q: the value is at %d", test.text, at)
			}
		}
	}
}

// TestDoubt judges a token as a file that holds it is judged.
func TestDoubt(t *testing.T) {
	const random = "ghp_Zk3rTq9wZk7rTq2wXk3rVq9wNk3rTqMk3r9w"
	right := random[:len(random)-6]
	for i, sum := 0, crc32.ChecksumIEEE([]byte(right[4:])); i < 6; i, sum = i+1, sum/62 {
		right = right[:34] + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[sum%62:][:1] + right[34:]
	}
	for text, want := range map[string]string{random: "its checksum is wrong", right: "", "x " + random + " " + right: "", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": "it reads like a placeholder"} {
		if got := Doubt(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
