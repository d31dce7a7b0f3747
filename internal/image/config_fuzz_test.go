package image

import "testing"

// FuzzConfig reads configurations of images, with what is concluded from them.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"created":"2026-01-01T00:00:00Z","os":"linux","architecture":"amd64","config":{"User":"web:web","Env":["TOKEN=x","A"],"Cmd":["-p","x"],"Entrypoint":["/web"],
		"ExposedPorts":{"80/tcp":{}},"Labels":{"org.opencontainers.image.base.name":"a@sha256:0"},"Healthcheck":{"Test":["CMD"]}},
		"history":[{"created_by":"/bin/sh -c #(nop) CMD [\"x\"]","empty_layer":true},{"created_by":"RUN |1 A=1 /bin/sh -c x # buildkit"}],"rootfs":{"diff_ids":["sha256:0"]}}`), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, layers uint8) {
		s := Source{layers: make([]layerSource, layers)}
		_ = s.setConfig(text)
		c, _, err := readConfig(text, int(layers))
		if err != nil {
			return
		}
		of := make([]Layer, layers)
		c.attribute(of)
		for _, step := range c.History {
			if step.Layer < -1 || step.Layer >= int(layers) {
				t.Errorf("a step made layer %d of %d", step.Layer, layers)
			}
		}
		if base := findBase(&c, of, nil); base.Layers < 0 || base.Layers > int(layers) {
			t.Errorf("%d of %d layers are of the base image", base.Layers, layers)
		}
	})
}

// FuzzFiles reads the files that are kept of the distribution and of users.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='a \\\"b'\n"), []byte("root:x:0:0::/:/bin/sh\nweb:x:10001:1::/:\n"), "web:web")
	f.Fuzz(func(t *testing.T, release, users []byte, user string) {
		tree := newTree()
		for path, text := range map[string][]byte{"etc/os-release": keepRelease("", release), "etc/passwd": keepUsers("", users)} {
			tree.contents = append(tree.contents, content{path: "/" + path, bytes: text})
			tree.put(tree.makeFile([]byte(path)), attributes{kind: File, content: uint32(len(tree.contents))}, 0)
		}
		d := readDistro(tree)
		_, _ = d.EndOfSupport()
		if id := userID(tree, user); id < -1 || id > 1<<32-1 {
			t.Errorf("user %q has the number %d", user, id)
		}
	})
}
