package sbom

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"ullage.dev/ullage/internal/image"
)

// large is an image of 2,000 packages with 40,000 files.
func large() *image.Image {
	img := &image.Image{Reference: "large", Distro: image.Distro{ID: "debian", Version: "12"}, Layers: []image.Layer{{DiffID: "sha256:aa"}}}
	for i := range 2000 {
		p := image.Package{
			Ecosystem: "Debian", Name: fmt.Sprint("lib", i), Version: "1:2.3-4", Source: "lib", Licenses: []string{"GPL-2+", "MIT", fmt.Sprint("custom-", i%50)},
			PURL: fmt.Sprintf("pkg:deb/debian/lib%d@1:2.3-4?arch=amd64&distro=debian-12&upstream=lib", i), Where: []string{"/var/lib/dpkg/status"},
		}
		for k := range 20 {
			p.Files = append(p.Files, fmt.Sprintf("/usr/lib/x86_64-linux-gnu/lib%d/file-%d.so", i, k))
		}
		img.Packages = append(img.Packages, p)
	}
	return img
}

func BenchmarkCycloneDX(b *testing.B) {
	img := large()
	b.ReportAllocs()
	for b.Loop() {
		if err := CycloneDX(io.Discard, img, nil, options); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSPDX(b *testing.B) {
	img := large()
	b.ReportAllocs()
	for b.Loop() {
		if err := SPDX(io.Discard, img, options); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, format := range []string{"cyclonedx", "spdx"} {
		var text bytes.Buffer
		write := func(w io.Writer) error { return CycloneDX(w, large(), nil, options) }
		if format == "spdx" {
			write = func(w io.Writer) error { return SPDX(w, large(), options) }
		}
		if err := write(&text); err != nil {
			b.Fatal(err)
		}
		b.Run(format, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(bytes.NewReader(text.Bytes()), "bench"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
