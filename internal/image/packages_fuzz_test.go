package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
)

// sound checks what every package must have, whatever it was read from.
func sound(t *testing.T, packages []Package) {
	t.Helper()
	for _, p := range packages {
		if p.Name == "" || len(p.Where) != 1 || p.Ecosystem == "" {
			t.Errorf("%+v", p)
		}
		for _, file := range p.Files {
			if !strings.HasPrefix(file, "/") {
				t.Errorf("%s: file %q", p.Name, file)
			}
		}
	}
}

// fuzzText fuzzes a parser of text, and holds it to a bounded answer: no more
// packages and paths than there are bytes.
func fuzzText(f *testing.F, parse func(data []byte) []Package, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		packages := parse(data)
		sound(t, packages)
		count := len(packages)
		for _, p := range packages {
			count += len(p.Files)
		}
		if count > 2*len(data)+1 {
			t.Errorf("%d bytes give %d", len(data), count)
		}
	})
}

func FuzzDpkg(f *testing.F) {
	fuzzText(f, func(data []byte) []Package {
		packages, _ := parseDpkg(data, "/x", bookworm)
		paths := append(parseList(data), parseMD5Sums(data)...)
		divert(paths, "x", parseDiversions(data))
		return append(packages, Package{Name: "x", Ecosystem: "x", Where: []string{"x"}, Files: rooted(paths), Licenses: parseCopyright(data)})
	}, "Package: a\nVersion: 1\nStatus: install ok installed\nSource: b (2)\n\n", "/.\n/bin\n/bin/sh\n", "/bin/sh\n/bin/sh.distrib\nx\n",
		"d41d8cd98f00b204e9800998ecf8427e  usr/bin/env\n", "Format: x\nLicense: GPL\n", "see /usr/share/common-licenses/GPL-2.\n")
}

// rooted leaves out what only a diversion can name.
func rooted(paths []string) []string {
	return slices.DeleteFunc(paths, func(p string) bool { return !strings.HasPrefix(p, "/") })
}

func FuzzApk(f *testing.F) {
	fuzzText(f, func(data []byte) []Package { packages, _ := parseApk(data, "/x", Distro{}); return packages }, apkDB)
}

func FuzzNPM(f *testing.F) {
	fuzzText(f, func(data []byte) []Package {
		packages, _ := parseNPM(data, "/x")
		_ = npmInstalled(string(data))
		return packages
	}, `{"name":"@a/b","version":"1","license":{"type":"MIT"},"licenses":["a",{"type":"b"}]}`, "/node_modules/.pnpm/a/node_modules/@s/a/package.json")
}

func FuzzPython(f *testing.F) {
	fuzzText(f, func(data []byte) []Package {
		packages := parsePython(data, "/x")
		for i := range packages {
			packages[i].Files = parseRecord(data, "/site")
		}
		return packages
	}, "Name: a\nVersion: 1\nLicense: MIT\n\n", "Name: a\nVersion: 1\na/b.py,sha256=x,1\n\"c,d\",,\n")
}

func FuzzGem(f *testing.F) {
	fuzzText(f, func(data []byte) []Package {
		packages, _ := parseGem(data, "/specifications/x.gemspec")
		return packages
	}, "# stub: a 1 ruby lib\n  s.licenses = [\"MIT\".freeze]\n", "s.name = \"a\"\ns.version = \"1\"\n")
}

func FuzzComposer(f *testing.F) {
	fuzzText(f, func(data []byte) []Package {
		packages, _ := parseComposer(data, "/vendor/composer/installed.json")
		return packages
	}, `[{"name":"a/b","version":"1","install-path":"../a"}]`, `{"packages":[{"name":"a/b","version":"1","license":["MIT"],"install-path":null}]}`)
}

func FuzzDotNet(f *testing.F) {
	fuzzText(f, func(data []byte) []Package {
		packages, _ := parseDotNet(data, "/x.deps.json")
		return packages
	}, `{"targets":{"t":{"a/1":{"runtime":{"lib/a.dll":{}}}}},"libraries":{"a/1":{"type":"package"}}}`)
}

func FuzzRust(f *testing.F) {
	f.Add(deflate(f, rustList))
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, _ := parseRustList(data, "/x")
		sound(t, packages)
	})
}

// FuzzBinary fuzzes the reading of programs, by the standard library's packages
// too, which do not promise to bear hostile files.
func FuzzBinary(f *testing.F) {
	info := goInfo("path\tx\nmod\tx\tv1\t\ndep\ty\tv2\th1:\n=>\tz\tv3\th1:\n")
	data := elfFile(f, map[string]string{goSection: info, rustSection: string(deflate(f, rustList))})
	packages, err := extractBinary(&FileContent{Path: "/x", Size: int64(len(data)), ReaderAt: bytes.NewReader(data), bytes: data})
	if err != nil || nameVersions(packages) != "stdlib 1.26.1, x v1, z v3, app 0.1.0, serde 1.0.219" {
		f.Fatal(nameVersions(packages), err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, _ := extractBinary(&FileContent{Path: "/x", Size: int64(len(data)), ReaderAt: strings.NewReader(string(data)), bytes: data})
		sound(t, packages)
	})
}

// goInfo writes what Go's linker says of a program's modules.
func goInfo(modules string) string {
	modules = strings.Repeat("s", 16) + modules + strings.Repeat("e", 16)
	info := "\xff Go buildinf:\x08\x02" + strings.Repeat("\x00", 16) + "\x08go1.26.1"
	return string(binary.AppendUvarint([]byte(info), uint64(len(modules)))) + modules
}

// elfFile writes a program that has these sections and nothing to run.
func elfFile(t testing.TB, sections map[string]string) []byte {
	t.Helper()
	const base, head = 0x400000, 64 + 56
	var body, table bytes.Buffer
	put := func(to *bytes.Buffer, v any) {
		if err := binary.Write(to, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	section := func(name uint32, kind elf.SectionType, at, size int) {
		put(&table, elf.Section64{Name: name, Type: uint32(kind), Flags: uint64(elf.SHF_ALLOC | elf.SHF_WRITE),
			Addr: uint64(base + at), Off: uint64(at), Size: uint64(size), Addralign: 16})
	}
	section(0, elf.SHT_NULL, 0, 0)
	text := "\x00"
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		for (head+body.Len())%16 != 0 {
			body.WriteByte(0)
		}
		section(uint32(len(text)), elf.SHT_PROGBITS, head+body.Len(), len(sections[name]))
		text += name + "\x00"
		body.WriteString(sections[name])
	}
	section(0, elf.SHT_STRTAB, head+body.Len(), len(text))
	body.WriteString(text)
	var file bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Shoff: uint64(head + body.Len()),
		Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64, Shnum: uint16(len(sections) + 2), Shstrndx: uint16(len(sections) + 1)}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	put(&file, h)
	put(&file, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Vaddr: base, Filesz: uint64(head + body.Len()), Memsz: uint64(head + body.Len())})
	file.Write(body.Bytes())
	file.Write(table.Bytes())
	return file.Bytes()
}
