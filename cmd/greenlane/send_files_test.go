package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// entry is a file to be packed.
type entry struct {
	name, content string
	// link is what it points to, if it is a link.
	link string
}

func zipped(t testing.TB, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(0o644)
		if e.link != "" {
			h.SetMode(os.ModeSymlink | 0o777)
			e.content = e.link
		}
		f, err := w.CreateHeader(h)
		check(t, err)
		if !strings.HasSuffix(e.name, "/") {
			_, err = io.WriteString(f, e.content)
			check(t, err)
		}
	}
	check(t, w.Close())
	return b.String()
}

func tarred(t testing.TB, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.content)), Typeflag: tar.TypeReg}
		switch {
		case e.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		check(t, w.WriteHeader(h))
		_, err := io.WriteString(w, e.content)
		check(t, err)
	}
	check(t, w.Close())
	return b.String()
}

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, content)
	check(t, err)
	check(t, w.Close())
	return b.String()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a file into a folder, and the folders on its way.
func put(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(content), 0o644))
}

// found tells what a finder visits, one line each: the name, without the folder
// dir, and the content or why there is none.
func found(f *finder, dir string, arguments ...string) []string {
	lines := []string{}
	visits := 0
	f.visit = func(m message) bool {
		visits++
		line := strings.TrimPrefix(m.name, dir+"/") + ": "
		raw, err := []byte(nil), m.err
		if err == nil && m.read != nil {
			raw, err = m.read()
		}
		switch {
		case err != nil:
			line += "! " + strings.ReplaceAll(err.Error(), dir+"/", "")
		case len(raw) > 100:
			line += fmt.Sprintf("%d bytes", len(raw))
		default:
			line += string(raw)
		}
		lines = append(lines, line)
		return true
	}
	f.find(arguments)
	if f.found != int64(visits) {
		lines = append(lines, fmt.Sprintf("found %d and visited %d", f.found, visits))
	}
	return lines
}

// Archives are read by their content, under whatever name.
func TestFinderArchives(t *testing.T) {
	t.Parallel()
	two := []entry{{name: "in/"}, {name: "in/b.xml", content: "B"}, {name: "a.xml", content: "A"}}
	large := strings.Repeat("x", maxMessage)
	tests := []struct {
		name, content string
		want          []string
	}{
		{"message", "A", []string{"f: A"}},
		{"nothing", "", []string{"f: "}},
		{"message as large as may be", large, []string{"f: 1048576 bytes"}},
		// The hub judges it.
		{"message too large", large + "xyz", []string{"f: 1048577 bytes"}},
		{"zip", zipped(t, two...), []string{"f!in/b.xml: B", "f!a.xml: A"}},
		{"tar", tarred(t, two...), []string{"f!in/b.xml: B", "f!a.xml: A"}},
		{"compressed tar", gzipped(t, tarred(t, two...)), []string{"f!in/b.xml: B", "f!a.xml: A"}},
		{"compressed message", gzipped(t, "A"), []string{"f: A"}},
		{"compressed nothing", gzipped(t, ""), []string{"f: "}},
		{"two compressed messages, joined", gzipped(t, "A") + gzipped(t, "B"), []string{"f: AB"}},
		{"as a program packs what is in a folder", tarred(t, entry{name: "./"}, entry{name: "./a.xml", content: "A"}), []string{"f!a.xml: A"}},
		{"a name too long for a header", tarred(t, entry{name: strings.Repeat("n", 200), content: "A"}), []string{"f!" + strings.Repeat("n", 200) + ": A"}},
		{"names that lead out", tarred(t, entry{name: "../../a.xml", content: "A"}, entry{name: "/etc/b.xml", content: "B"}),
			[]string{"f!../../a.xml: A", "f!/etc/b.xml: B"}},
		{"hidden members of a zip", zipped(t, entry{name: "__MACOSX/._a.xml", content: "?"}, entry{name: "a.xml", content: "A"}, entry{name: ".git/x", content: "?"}),
			[]string{"f!a.xml: A"}},
		{"hidden members of a tar", tarred(t, entry{name: "./._a.xml", content: "?"}, entry{name: "a.xml", content: "A"}), []string{"f!a.xml: A"}},
		{"empty zip", zipped(t), []string{"f: ! " + errNoMembers.Error()}},
		{"zip of a folder", zipped(t, entry{name: "in/"}), []string{"f: ! " + errNoMembers.Error()}},
		{"tar of a folder", tarred(t, entry{name: "in/"}), []string{"f: ! " + errNoMembers.Error()}},
		{"member too large", zipped(t, entry{name: "a", content: large + "x"}, entry{name: "b", content: "B"}),
			[]string{"f!a: ! it is larger than the hub takes, which is 1 MiB", "f!b: B"}},
		{"member of a tar too large", gzipped(t, tarred(t, entry{name: "a", content: large + large}, entry{name: "b", content: "B"})),
			[]string{"f!a: ! it is larger than the hub takes, which is 1 MiB", "f!b: B"}},
		{"compressed message too large", gzipped(t, large+"x"), []string{"f: ! it is larger than the hub takes, which is 1 MiB"}},
		{"archives in a zip", zipped(t, entry{name: "a.zip", content: zipped(t, two...)}, entry{name: "b", content: tarred(t, two...)},
			entry{name: "c.xml.gz", content: gzipped(t, "A")}, entry{name: "d", content: "D"}),
			[]string{"f!a.zip: ! " + string(nestedArchive), "f!b: ! " + string(nestedArchive), "f!c.xml.gz: ! " + string(nestedArchive), "f!d: D"}},
		{"archive in a tar", tarred(t, entry{name: "a.zip", content: zipped(t, two...)}, entry{name: "b", content: "B"}),
			[]string{"f!a.zip: ! " + string(nestedArchive), "f!b: B"}},
		{"zip compressed once more", gzipped(t, zipped(t, two...)), []string{"f: ! " + string(nestedArchive)}},
		{"links in a zip", zipped(t, entry{name: "a", link: "/etc/passwd"}, entry{name: "b", content: "B"}), []string{"f!a: ! " + string(noFile), "f!b: B"}},
		{"links in a tar", tarred(t, entry{name: "a", link: "/etc/passwd"}, entry{name: "b", content: "B"}), []string{"f!a: ! " + string(noFile), "f!b: B"}},
		{"zip that breaks off", zipped(t, two...)[:100], []string{"f: ! it can't be read: zip: not a valid zip file"}},
		{"tar that breaks off", tarred(t, entry{name: "a", content: "a message"})[:tarBlock+4], []string{"f!a: ! it can't be read: it breaks off before its end", "f: ! it can't be read: it breaks off before its end"}},
		{"compressed message that breaks off", gzipped(t, "a message")[:15], []string{"f: ! it can't be read: it breaks off before its end"}},
		{"no more than the mark of a compressed message", "\x1f\x8b\x08", []string{"f: ! it can't be read: it breaks off before its end"}},
		{"encrypted zip", encryptedZip(t, entry{name: "a", content: "A"}), []string{"f!a: ! " + string(encrypted)}},
		{"zip with another compression", strings.ReplaceAll(zipped(t, entry{name: "a", content: "A"}), "\x08\x00\x00\x00\x00\x00", "\x0e\x00\x00\x00\x00\x00"),
			[]string{"f!a: ! " + string(unknownMethod)}},
		{"text of a tar's length", strings.Repeat("ISA*00*  ", 100), []string{"f: 900 bytes"}},
		{"zeros", strings.Repeat("\x00", 1024), []string{"f: 1024 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, dir, "f", tt.content)
			f := &finder{most: maxMembers}
			if diff := cmp.Diff(tt.want, found(f, dir, filepath.Join(dir, "f"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// encryptedZip marks every member as encrypted.
func encryptedZip(t testing.TB, entries ...entry) string {
	raw := []byte(zipped(t, entries...))
	for _, mark := range []struct {
		start []byte
		flags int
	}{{zipStart, 6}, {zipEntry, 8}} {
		for at := 0; ; at++ {
			next := bytes.Index(raw[at:], mark.start)
			if next < 0 {
				break
			}
			at += next
			raw[at+mark.flags] |= 1
		}
	}
	return string(raw)
}

func TestFinderFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := t.TempDir()
	put(t, outside, "secret.xml", "secret")
	for _, name := range []string{"in/b.xml", "in/a.xml", "in/a/z.xml", "in/a/a.xml", "in/.hidden.xml", "in/.git/config", "only/.hidden", "closed/a.xml"} {
		put(t, dir, name, filepath.Base(name))
	}
	put(t, dir, "in/c.zip", zipped(t, entry{name: "x.xml", content: "X"}))
	check(t, os.MkdirAll(filepath.Join(dir, "in", "empty"), 0o755))
	for name, target := range map[string]string{
		"in/l1": "a/z.xml", "in/l2": filepath.Join(outside, "secret.xml"), "in/l3": "../../..", "in/l4": "a", "in/l5": "gone", "in/l6": "l6",
		"in/l7": filepath.Join(outside), "way": "in/a",
	} {
		check(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	check(t, syscall.Mkfifo(filepath.Join(dir, "in", "pipe"), 0o600))
	tests := []struct {
		argument string
		want     []string
	}{
		{"in", []string{
			"in/a/a.xml: a.xml", "in/a/z.xml: z.xml", "in/a.xml: a.xml", "in/b.xml: b.xml", "in/c.zip!x.xml: X",
			"in/l1: z.xml", "in/l2: ! " + string(linkOut), "in/l3: ! " + string(linkOut),
			"in/l5: ! it can't be read: no such file or directory", "in/l6: ! " + string(linkOut), "in/l7: ! " + string(linkOut),
			"in/pipe: ! " + string(noFile),
		}},
		{"in/a/", []string{"in/a/a.xml: a.xml", "in/a/z.xml: z.xml"}},
		// What the command line names is meant, link or not, hidden or not.
		{"way", []string{"way/a.xml: a.xml", "way/z.xml: z.xml"}},
		{"in/l1", []string{"in/l1: z.xml"}},
		{"in/.hidden.xml", []string{"in/.hidden.xml: .hidden.xml"}},
		{"in/.git", []string{"in/.git/config: config"}},
		{"in/empty", []string{"in/empty: ! " + errEmptyFolder.Error()}},
		{"only", []string{"only: ! " + errEmptyFolder.Error()}},
		{"gone", []string{"gone: ! open gone: no such file or directory"}},
	}
	for _, tt := range tests {
		t.Run(tt.argument, func(t *testing.T) {
			t.Parallel()
			f := &finder{most: maxMembers}
			if diff := cmp.Diff(tt.want, found(f, dir, dir+"/"+tt.argument)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFinderStandardInput(t *testing.T) {
	t.Parallel()
	two := []entry{{name: "a.xml", content: "A"}, {name: "b.xml", content: "B"}}
	tests := []struct {
		name, content string
		want          []string
	}{
		{"message", "A", []string{"-: A"}},
		{"compressed", gzipped(t, "A"), []string{"-: A"}},
		{"compressed tar", gzipped(t, tarred(t, two...)), []string{"-!a.xml: A", "-!b.xml: B"}},
		{"zip", zipped(t, two...), []string{"-: ! " + string(zipOnPipe)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &finder{most: maxMembers, stdin: iotest.OneByteReader(strings.NewReader(tt.content))}
			if diff := cmp.Diff(tt.want, found(f, "", "-")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	f := &finder{most: maxMembers, stdin: iotest.ErrReader(errors.New("the line is dead"))}
	if diff := cmp.Diff([]string{"-: ! the line is dead"}, found(f, "", "-")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Once the hub is away, nothing more is opened: what is left is named once.
func TestFinderStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	three := []entry{{name: "a", content: "A"}, {name: "b", content: "B"}, {name: "c", content: "C"}}
	for _, e := range three {
		put(t, dir, "in/"+e.name, e.content)
	}
	put(t, dir, "x.zip", zipped(t, three...))
	put(t, dir, "x.tar", tarred(t, three...))
	tests := []struct {
		arguments []string
		// after is how many messages are taken.
		after int
		want  []string
	}{
		{[]string{"in", "x.zip", "-"}, 2, []string{"in/a", "in/b", "in: what is left of it", "x.zip", "-"}},
		{[]string{"in", "x.zip"}, 3, []string{"in/a", "in/b", "in/c", "x.zip"}},
		{[]string{"x.zip", "x.tar"}, 1, []string{"x.zip!a", "x.zip: what is left of it", "x.tar"}},
		{[]string{"x.tar", "x.zip"}, 1, []string{"x.tar!a", "x.tar: what is left of it", "x.zip"}},
		{[]string{"x.tar", "gone"}, 3, []string{"x.tar!a", "x.tar!b", "x.tar!c", "gone"}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.arguments, tt.after), func(t *testing.T) {
			t.Parallel()
			var got []string
			f := &finder{most: maxMembers, stdin: iotest.ErrReader(errors.New("standard input was read"))}
			f.visit = func(m message) bool {
				line := strings.TrimPrefix(m.name, dir+"/")
				if m.err != nil {
					line += ": " + m.err.Error()
				}
				got = append(got, line)
				return len(got) < tt.after
			}
			var paths []string
			for _, name := range tt.arguments {
				if name != "-" {
					name = filepath.Join(dir, name)
				}
				paths = append(paths, name)
			}
			f.find(paths)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFinderLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	many := make([]entry, 11)
	for i := range many {
		many[i] = entry{name: fmt.Sprintf("%02d", i), content: "M"}
	}
	put(t, dir, "x.zip", zipped(t, many...))
	put(t, dir, "x.tar", tarred(t, many...))
	tooMany := "! the archive holds too many files: at most 10 are read"
	if diff := cmp.Diff([]string{"x.zip: " + tooMany}, found(&finder{most: 10}, dir, dir+"/x.zip")); diff != "" {
		t.Errorf("zip (-want +got):\n%s", diff)
	}
	lines := found(&finder{most: 10}, dir, dir+"/x.tar")
	if diff := cmp.Diff([]string{"x.tar!09: M", "x.tar: " + tooMany}, lines[len(lines)-2:]); diff != "" || len(lines) != 11 {
		t.Errorf("tar, %d lines (-want +got):\n%s", len(lines), diff)
	}
	for _, most := range []int{11, maxMembers} {
		if got := found(&finder{most: most}, dir, dir+"/x.zip", dir+"/x.tar"); len(got) != 22 {
			t.Errorf("at most %d: %d of 22 are found", most, len(got))
		}
	}
}

// A directory of a zip that is longer than its end says is not read to its end.
func TestFinderMadeUpDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	raw := zipped(t, entry{name: "a", content: "A"})
	start := strings.Index(raw, string(zipEntry))
	end := strings.Index(raw, string(zipEmpty))
	const copies = 70_000
	tail := []byte(raw[end:])
	binary.LittleEndian.PutUint32(tail[12:], uint32(copies*(end-start)))
	// The count has 16 bits; this one is right modulo 65536.
	binary.LittleEndian.PutUint16(tail[8:], copies%65536)
	binary.LittleEndian.PutUint16(tail[10:], copies%65536)
	put(t, dir, "x.zip", raw[:start]+strings.Repeat(raw[start:end], copies)+string(tail))
	want := []string{"x.zip: ! the archive holds too many files: at most 10 are read"}
	if diff := cmp.Diff(want, found(&finder{most: 10}, dir, dir+"/x.zip")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	file, err := os.Open(filepath.Join(dir, "x.zip"))
	check(t, err)
	defer file.Close()
	d := &zipDirectory{in: file, most: 10}
	_, err = zip.NewReader(d, int64(start+copies*(end-start)+len(tail)))
	if !errors.Is(err, errTooMany) || d.entries > 10+2*spareEntries {
		t.Errorf("%v after %d entries", err, d.entries)
	}
	if got := found(&finder{most: maxMembers}, dir, dir+"/x.zip"); len(got) != copies {
		t.Errorf("%d of %d are found", len(got), copies)
	}
}

// A long table is printed part by part: memory holds no million rows.
func TestSendPrinterPrintsParts(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	p := newSendPrinter(&out, false, newProgress(&errs, "sending"))
	for range rowsAtOnce + 1 {
		p.print("a.xml", nil, &fileError{errTooLarge})
	}
	if n := strings.Count(out.String(), "\n"); n != 1+rowsAtOnce {
		t.Errorf("%d lines are printed before the end", n)
	}
	p.flush()
	if n := strings.Count(out.String(), "\n"); n != 2+rowsAtOnce || p.failed != rowsAtOnce+1 {
		t.Errorf("%d lines, %d failed", n, p.failed)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"inbox/a.xml": "inbox/a.xml", "Zölle/ä b.xml": "Zölle/ä b.xml", `a "b".xml`: `a "b".xml`,
		"a\x1b[2J\tb\n": `a\x1b[2J\tb\n`, "a\xff": `a\xff`, "a\u202eb": `a\u202eb`,
		strings.Repeat("n", 300): strings.Repeat("n", 199) + "…",
	} {
		if got := printable(name); got != want {
			t.Errorf("%q is printed as %q, want %q", name, got, want)
		}
	}
}

// Whatever a file holds, what is found in it can be read without a panic and
// within the limit, and all that is left out has its reason.
func FuzzFinder(f *testing.F) {
	one := entry{name: "a.xml", content: "A"}
	for _, seed := range []string{
		"A", zipped(f, one), tarred(f, one), gzipped(f, tarred(f, one)), gzipped(f, "A"), encryptedZip(f, one), zipped(f), "PK\x03\x04", "\x1f\x8b\x08",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "f")
		check(t, os.WriteFile(path, raw, 0o600))
		find := finder{most: 20}
		visits := 0
		find.visit = func(m message) bool {
			visits++
			content, err := []byte(nil), m.err
			if err == nil {
				content, err = m.read()
			}
			if err != nil && strings.TrimSpace(err.Error()) == "" || len(content) > maxMessage+1 || !strings.HasPrefix(m.name, path) {
				t.Errorf("%q: %d bytes, %v", m.name, len(content), err)
			}
			return true
		}
		find.find([]string{path})
		if visits == 0 || visits > 21 || int64(visits) != find.found {
			t.Errorf("%d visits, %d found", visits, find.found)
		}
	})
}

func BenchmarkFinder(b *testing.B) {
	entries := make([]entry, 1000)
	for i := range entries {
		entries[i] = entry{name: fmt.Sprintf("in/%04d.xml", i), content: strings.Repeat("<MetaData/>", 200)}
	}
	dir := b.TempDir()
	put(b, dir, "x.zip", zipped(b, entries...))
	put(b, dir, "x.tar.gz", gzipped(b, tarred(b, entries...)))
	for _, e := range entries {
		put(b, dir, e.name, e.content)
	}
	for _, name := range []string{"in", "x.zip", "x.tar.gz"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f := finder{most: maxMembers, visit: func(m message) bool {
					_, err := m.read()
					check(b, err)
					return true
				}}
				f.find([]string{filepath.Join(dir, name)})
				if f.found != int64(len(entries)) {
					b.Fatalf("%d messages", f.found)
				}
			}
		})
	}
}

// scriptZip packs files, under their names, into a zip.
func scriptZip(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "zip ARCHIVE FILE…")
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range args[1:] {
		f, err := w.Create(name)
		ts.Check(err)
		_, err = io.WriteString(f, ts.ReadFile(name))
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o644))
}
