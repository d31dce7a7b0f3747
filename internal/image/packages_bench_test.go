package image

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func benchmarkText(b *testing.B, text string, parse func(data []byte) int) {
	b.Helper()
	data := []byte(text)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if parse(data) == 0 {
			b.Fatal("nothing found")
		}
	}
}

func BenchmarkDpkg(b *testing.B) {
	var status strings.Builder
	for i := range 500 {
		fmt.Fprintf(&status, "Package: package-%d\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 100\nMaintainer: a team\n"+
			"Architecture: amd64\nMulti-Arch: same\nSource: source-%d (1.2-3)\nVersion: 1:1.2-3+b1\nDepends: libc6 (>= 2.36), libgcc-s1 (>= 3.0)\n"+
			"Description: something\n%s\n", i, i, strings.Repeat(" a line of the description of the package\n", 8))
	}
	benchmarkText(b, status.String(), func(data []byte) int {
		packages, _ := parseDpkg(data, dpkgStatus, bookworm)
		return len(packages)
	})
}

func BenchmarkApk(b *testing.B) {
	var db strings.Builder
	for i := range 200 {
		fmt.Fprintf(&db, "C:Q1abc=\nP:package-%d\nV:1.2-r%d\nA:x86_64\nL:MIT\no:source\nF:usr/lib\n", i, i)
		for j := range 30 {
			fmt.Fprintf(&db, "R:file-%d.so\na:0:0:755\nZ:Q1XRz9mY2VZ4yqPDg0nO1D9GFsdbs=\n", j)
		}
		db.WriteByte('\n')
	}
	benchmarkText(b, db.String(), func(data []byte) int {
		packages, _ := parseApk(data, apkInstalled, Distro{})
		return len(packages)
	})
}

func BenchmarkNPM(b *testing.B) {
	benchmarkText(b, `{"name":"@scope/name","version":"1.2.3","license":"MIT","scripts":{"test":"node test"},"dependencies":{`+
		strings.Repeat(`"a":"^1.0.0",`, 30)+`"z":"1"}}`, func(data []byte) int {
		packages, _ := parseNPM(data, "/node_modules/@scope/name/package.json")
		return len(packages)
	})
}

func BenchmarkPython(b *testing.B) {
	benchmarkText(b, "Metadata-Version: 2.1\nName: name\nVersion: 1\nLicense: MIT\n"+strings.Repeat("Classifier: Programming Language :: Python\n", 20)+"\n"+strings.Repeat("text\n", 500),
		func(data []byte) int { return len(parsePython(data, "/name-1.dist-info/METADATA")) })
}

func BenchmarkRecord(b *testing.B) {
	benchmarkText(b, strings.Repeat("package/module/file.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,1234\n", 1000),
		func(data []byte) int { return len(parseRecord(data, "/usr/lib/python3/site-packages")) })
}

func BenchmarkBinary(b *testing.B) {
	var modules strings.Builder
	for i := range 200 {
		fmt.Fprintf(&modules, "dep\tgithub.com/acme/module-%d\tv1.2.3\th1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", i)
	}
	data := elfFile(b, map[string]string{goSection: goInfo("path\tx\nmod\tx\tv1\t\n" + modules.String()), rustSection: string(deflate(b, rustList))})
	benchmarkText(b, string(data), func(data []byte) int {
		packages, _ := extractBinary(&FileContent{Path: "/x", Size: int64(len(data)), ReaderAt: bytes.NewReader(data), bytes: data})
		return len(packages)
	})
}

// BenchmarkOwned gives 20,000 paths of 200 packages their place in the image.
func BenchmarkOwned(b *testing.B) {
	m := memory{"/lib": "-> usr/lib"}
	lists := make([][]string, 200)
	for i := range lists {
		for j := range 100 {
			m[fmt.Sprintf("/usr/lib/package-%d/file-%d", i, j)] = ""
			lists[i] = append(lists[i], fmt.Sprintf("/lib/package-%d/file-%d", i, j))
		}
	}
	tree := m.tree(b)
	b.ReportAllocs()
	for b.Loop() {
		o := newOwned(tree)
		for _, list := range lists {
			if len(o.files(list)) != 100 {
				b.Fatal("files are missing")
			}
		}
	}
}
