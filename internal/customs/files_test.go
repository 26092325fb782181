package customs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
)

// said is what a test expects of a response, its times and errors in words.
type said struct {
	Type, Code string
	Subs       []string
	Issued     string
	LRN, MRN   string
	Version    int
	By         greenlane.Authority
	Effect     greenlane.Effect
	ErrorType  greenlane.ErrorType
	Errors     []string
	Text       string
	Accepted   string
	Effective  string
	Limit      string
	Office     string
	Changed    []string
	Taxes      []greenlane.TaxLine
	Payment    []greenlane.PaymentDemand
	Refs       []string
	Outcome    greenlane.Outcome
	Warnings   []string
}

func inWords(r customs.Response) said {
	s := said{
		Type: r.MessageType, Code: r.FunctionCode, Subs: r.SubCodes, Issued: stamp(r.IssuedAt), LRN: r.LRN, MRN: r.MRN,
		Version: r.Version, By: r.Authority, Effect: r.Effect, ErrorType: r.ErrorType, Text: r.Text,
		Accepted: stamp(r.AcceptedAt), Effective: stamp(r.EffectiveAt), Limit: stamp(r.LimitAt), Office: r.Office,
		Changed: r.Changed, Taxes: r.Taxes, Payment: r.Payment, Outcome: r.Outcome, Warnings: r.Warnings,
	}
	for _, e := range r.Errors {
		s.Errors = append(s.Errors, e.String())
	}
	for _, ref := range r.References {
		s.Refs = append(s.Refs, ref.Kind+" "+ref.Value)
	}
	return s
}

// fingerprint stands for a reference number in what is committed.
func fingerprint(number string) string {
	if number == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(number))
	return hex.EncodeToString(sum[:4])
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return greenlane.FormatMicros(t)
}

func allInWords(m customs.Message) []said {
	var all []said
	for _, r := range m.Responses {
		all = append(all, inWords(r))
	}
	return all
}

var (
	toControl = func(kind greenlane.HoldKind) greenlane.Effect {
		return greenlane.Effect{Status: greenlane.StatusControl, Hold: kind}
	}
	releases = greenlane.Effect{Status: greenlane.StatusReleased, Release: true}
	accepts  = greenlane.Effect{Status: greenlane.StatusAcknowledged}
	register = greenlane.Effect{Status: greenlane.StatusRegistered}
	// A rejection, one that leaves the declaration as it is, one that blocks it.
	rejects        = greenlane.Effect{Rejection: true}
	standsRejected = greenlane.Effect{Rejection: true, Stands: true}
	blocks         = greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked}
	noRelease      = greenlane.Effect{Status: greenlane.StatusNoRelease}
)

// xmlFormat is what tests expect of the files of a format that is written in XML.
type xmlFormat struct {
	format greenlane.MessageFormat
	// folder has the authority's own samples, below GREENLANE_SAMPLES.
	folder string
	// By file name: what each response says, or where and why the file can't be
	// read.
	samples, fixtures             map[string][]said
	brokenSamples, brokenFixtures map[string]string
}

var xmlFormats = []xmlFormat{
	{greenlane.FormatWCODMS, "wco-dms", wcoSamples, wcoFixtures, wcoBrokenSamples, wcoBrokenFixtures},
	{greenlane.FormatNCTS, "eu-ncts", nctsSamples, nctsFixtures, nil, nctsBrokenFixtures},
	{greenlane.FormatAES, "eu-aes", aesSamples, aesFixtures, nil, aesBrokenFixtures},
}

// otherSamples are folders that the tests of other readers go through.
var otherSamples = []string{"cbp-catair/"}

// Every sample of an authority is read as its table says, and every one is in a
// table.
func TestReadSamples(t *testing.T) {
	t.Parallel()
	seen, want := 0, 0
	for _, f := range xmlFormats {
		want += len(f.samples) + len(f.brokenSamples)
	}
	for path, raw := range sampleFiles(t) {
		if slices.ContainsFunc(otherSamples, func(folder string) bool { return strings.HasPrefix(path, folder) }) {
			continue
		}
		seen++
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			folder, name, _ := strings.Cut(path, "/")
			at := slices.IndexFunc(xmlFormats, func(f xmlFormat) bool { return f.folder == folder })
			if at < 0 {
				t.Fatal("nobody has written down what samples in this folder are")
			}
			checkSample(t, xmlFormats[at], name, raw)
		})
	}
	if seen != want {
		t.Errorf("%d samples found, %d expected", seen, want)
	}
}

func checkSample(t *testing.T, f xmlFormat, name string, raw []byte) {
	m, err := customs.Read(raw, customs.Auto)
	if words, broken := f.brokenSamples[name]; broken {
		wantUnreadable(t, err, words)
		return
	}
	want, known := f.samples[name]
	if !known {
		t.Fatal("nobody has written down what this sample says")
	}
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, m, err)
	if m.Format != f.format {
		t.Errorf("format %s", m.Format)
	}
	got := allInWords(m)
	for i := range got {
		hide(&got[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, r := range m.Responses {
		if own, _, _ := strings.Cut(r.ID, "-"); !strings.Contains(string(raw), ">"+own) {
			t.Errorf("the id %s is not the message's own", r.ID)
		}
	}
}

// number is what looks like a reference number in a text.
var number = regexp.MustCompile(`\b[0-9A-Z]*[0-9][0-9A-Z]{11,}\b`)

// hide puts fingerprints in the place of reference numbers.
func hide(s *said) {
	s.LRN, s.MRN = fingerprint(s.LRN), fingerprint(s.MRN)
	for i, ref := range s.Refs {
		kind, value, _ := strings.Cut(ref, " ")
		s.Refs[i] = kind + " " + fingerprint(value)
	}
	s.Text = number.ReplaceAllStringFunc(s.Text, fingerprint)
	quoted := regexp.MustCompile(`"[^"]*"`)
	for i, w := range s.Warnings {
		if strings.HasPrefix(w, "container_form") || strings.HasPrefix(w, "mrn_") {
			s.Warnings[i] = number.ReplaceAllStringFunc(quoted.ReplaceAllStringFunc(w, fingerprint), fingerprint)
		}
	}
}

// Every fixture of ours is read as its table says, and every one is in a table.
func TestReadFixtures(t *testing.T) {
	t.Parallel()
	want := 0
	found := files(t, "testdata", ".xml")
	for _, f := range xmlFormats {
		want += len(f.fixtures) + len(f.brokenFixtures)
		for name, said := range f.fixtures {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				m, err := customs.Read(found[name], "")
				if err != nil {
					t.Fatal(err)
				}
				checkAnswer(t, m, err)
				if m.Format != f.format {
					t.Errorf("format %s", m.Format)
				}
				if diff := cmp.Diff(said, allInWords(m)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
		for name, words := range f.brokenFixtures {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				_, err := customs.Read(found[name], "")
				wantUnreadable(t, err, words)
			})
		}
	}
	if len(found) != want {
		t.Errorf("%d fixtures found, %d expected", len(found), want)
	}
}

// sampleFiles reads the files in the folders below GREENLANE_SAMPLES, by path from
// there.
func sampleFiles(t *testing.T) map[string][]byte {
	t.Helper()
	root := os.Getenv("GREENLANE_SAMPLES")
	if root == "" {
		t.Skip("GREENLANE_SAMPLES is not set: the authorities' own samples are not tested")
	}
	found := files(t, root)
	maps.DeleteFunc(found, func(path string, _ []byte) bool { return !strings.Contains(path, "/") })
	return found
}

// files reads the files in a folder and those below it, of the extensions named or
// all.
func files(t testing.TB, root string, extensions ...string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	dir := os.DirFS(root)
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || len(extensions) > 0 && !slices.Contains(extensions, filepath.Ext(name)) {
			return err
		}
		found[name], err = fs.ReadFile(dir, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no files in %s", root)
	}
	return found
}
