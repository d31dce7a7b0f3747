package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// entries reads an archive to strings, one for each entry, and the error at
// which it ended.
func entries(archive []byte) ([]string, error) {
	var lines []string
	t := newTarReader(newStream(bytes.NewReader(archive)))
	for {
		h, err := t.next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		line := fmt.Sprintf("%c %q %q %o %d:%d", h.Type, h.Name, h.Link, h.Mode, h.UID, h.GID)
		if h.Type == typeFile {
			line += fmt.Sprintf(" %d", h.Size)
			if h.Size <= 1<<20 {
				body := make([]byte, h.Size)
				if err := t.contents(body); err != nil {
					return lines, err
				}
				line += fmt.Sprintf(" %x", body)
			}
		}
		lines = append(lines, line)
	}
}

// entriesOfGo does the same with archive/tar.
func entriesOfGo(archive []byte) ([]string, error) {
	var lines []string
	t := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := t.Next()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
			continue
		case tar.TypeCont, tar.TypeGNUSparse:
			h.Typeflag = tar.TypeReg
		}
		line := fmt.Sprintf("%c %q %q %o %d:%d", h.Typeflag, h.Name, h.Linkname, h.Mode, h.Uid, h.Gid)
		if h.Typeflag == tar.TypeReg {
			line += fmt.Sprintf(" %d", h.Size)
			if h.Size <= 1<<20 {
				body, err := io.ReadAll(t)
				if err != nil {
					return lines, err
				}
				line += fmt.Sprintf(" %x", body)
			}
		}
		lines = append(lines, line)
	}
}

func randomArchive(r *rand.Rand) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	name := func() string {
		length := []int{3, 60, 99, 100, 101, 155, 256, 600}[r.IntN(8)]
		var b strings.Builder
		for b.Len() < length {
			b.WriteString([]string{"a", "dir/", "ü", "long-name", ".", " "}[r.IntN(6)])
		}
		return b.String()
	}
	for range r.IntN(8) {
		body := make([]byte, []int{0, 1, 511, 512, 513, 5000}[r.IntN(6)])
		for i := range body {
			body[i] = byte(r.Uint32())
		}
		h := tar.Header{
			Name: name(), Mode: int64(r.IntN(0o10000)), Format: []tar.Format{tar.FormatUnknown, tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU}[r.IntN(4)],
			Uid: []int{0, 1000, 1 << 21, 1 << 30}[r.IntN(4)], Gid: []int{0, 1000, 1 << 22}[r.IntN(3)],
			Typeflag: []byte{tar.TypeReg, tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeFifo, tar.TypeXGlobalHeader}[r.IntN(7)],
		}
		switch h.Typeflag {
		case tar.TypeReg:
			h.Size = int64(len(body))
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname = name()
		case tar.TypeXGlobalHeader:
			h = tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "global", PAXRecords: map[string]string{"path": "elsewhere", "size": "7"}}
		}
		if h.Format == tar.FormatPAX {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "1\n2=3"}
		}
		if w.WriteHeader(&h) != nil {
			continue // the format cannot say it
		}
		if h.Typeflag == tar.TypeReg {
			w.Write(body)
		}
	}
	w.Close()
	return buf.Bytes()
}

func TestTarAgreesWithGo(t *testing.T) {
	read := 0
	for seed := range uint64(5000) {
		archive := randomArchive(rand.New(rand.NewPCG(seed, 2)))
		want, err := entriesOfGo(archive)
		if err != nil {
			t.Fatal(err)
		}
		got, err := entries(archive)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, g, w)
		}
		read += len(want)
	}
	if read < 5000 {
		t.Errorf("only %d entries were compared", read)
	}
}

// A truncated or damaged archive gives what stands before the damage, as
// archive/tar does.
func TestDamagedTarAgreesWithGo(t *testing.T) {
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 3))
		archive := randomArchive(r)
		if r.IntN(2) == 0 {
			archive = archive[:r.IntN(len(archive))]
		} else {
			for range 1 + r.IntN(3) {
				archive[r.IntN(len(archive))] ^= byte(1 << r.IntN(8))
			}
		}
		agree(t, archive)
	}
}

// agree holds both readers against each other. Times and device numbers are only
// read by archive/tar, which may fail there.
func agree(t *testing.T, archive []byte) {
	want, wantErr := entriesOfGo(archive)
	got, err := entries(archive)
	if err != nil && wantErr == nil {
		t.Fatalf("%v, archive/tar reads it", err)
	}
	if len(got) < len(want) {
		t.Fatalf("%d entries (%v), want %d (%v)", len(got), err, len(want), wantErr)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("entry %d: got\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
	if wantErr == nil && len(got) > len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
}

func TestTarAgreesWithGNU(t *testing.T) {
	gnu, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar")
	}
	if out, err := exec.Command(gnu, "--version").Output(); err != nil || !strings.Contains(string(out), "GNU") {
		t.Skip("tar is not GNU tar")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", "some text")
	write("empty", "")
	write(strings.Repeat("long/", 40)+"name", "deep")
	write(strings.Repeat("n", 200), "long name")
	holes := func(name string, parts int) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range parts {
			if _, err := f.WriteAt(fmt.Appendf(nil, "part %d", i), int64(i)<<16+1000); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Truncate(int64(parts)<<16 + 5000); err != nil {
			t.Fatal(err)
		}
	}
	holes("hole", 0)
	holes("holes", 3)
	holes("many-holes", 60)
	for from, to := range map[string]string{"link": "plain", "long-link": strings.Repeat("../", 60) + "x"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "plain"), filepath.Join(dir, "second")); err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{
		"--format=v7", "--format=ustar", "--format=oldgnu", "--format=gnu", "--format=posix", "--format=gnu --sparse",
		"--format=posix --sparse --sparse-version=0.0", "--format=posix --sparse --sparse-version=0.1", "--format=posix --sparse --sparse-version=1.0",
	} {
		t.Run(flags, func(t *testing.T) {
			args := append(strings.Fields(flags), "--sort=name", "-C", dir, "-cf", "-", ".")
			archive, err := exec.Command(gnu, args...).Output()
			if len(archive) == 0 {
				t.Fatal(err) // an error beside an archive: a name that the format cannot say
			}
			got, err := entries(archive)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, archive)
			for _, line := range got {
				name := strings.TrimPrefix(strings.Split(line, `"`)[1], "./")
				if line[0] != typeFile {
					continue
				}
				want, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if len(want) <= 1<<20 && !strings.HasSuffix(line, fmt.Sprintf(" %d %x", len(want), want)) {
					t.Errorf("%s: other content", name)
				}
			}
			if len(got) < 10 {
				t.Errorf("only %d entries", len(got))
			}
		})
	}
}

func FuzzTar(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(randomArchive(rand.New(rand.NewPCG(seed, 2))))
	}
	f.Fuzz(func(t *testing.T, archive []byte) { agree(t, fixSums(archive)) })
}

// fixSums makes the checksum of blocks that look like headers right, for chance
// does not get past it.
func fixSums(archive []byte) []byte {
	archive = bytes.Clone(archive)
	for at := 0; at+tarBlock <= len(archive); at += tarBlock {
		b := archive[at : at+tarBlock]
		if b[0] == 0 || b[148] == 0 && b[257] == 0 {
			continue
		}
		copy(b[148:156], "        ")
		sum := 0
		for _, c := range b {
			sum += int(c)
		}
		copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	}
	return archive
}
