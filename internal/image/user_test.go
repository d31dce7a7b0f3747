package image

import "testing"

func TestUserID(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\n# none\nbroken\ntoor:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\nodd:x:-1:0::/:\nbig:x:4294967296:0::/:\n7:x:8:8::/:\n"
	for _, test := range []struct {
		user, passwd string
		want         int64
	}{
		{"", passwd, 0}, {"root", passwd, 0}, {"toor", passwd, 0}, {"app", passwd, 1000}, {"app:app", passwd, 1000}, {"1001", passwd, 1001}, {"0:1000", passwd, 0},
		{"00", "", 0}, {"none", passwd, -1}, {"odd", passwd, -1}, {"big", passwd, -1}, {"7", passwd, 7}, {"-1", passwd, -1}, {"4294967296", passwd, -1},
		{"root", "", 0}, {"app", "", -1}, {":1000", passwd, 0}, {"root", "app:x:1:1::/:\n", -1},
	} {
		tree := newTree()
		if test.passwd != "" {
			b := &treeBuilder{tree: tree}
			n := b.node("/etc/passwd", File)
			tree.contents = append(tree.contents, content{bytes: []byte(test.passwd), users: 1})
			n.content = uint32(len(tree.contents))
		}
		if got := userID(tree, test.user); got != test.want {
			t.Errorf("user %q is %d, want %d", test.user, got, test.want)
		}
	}
}
