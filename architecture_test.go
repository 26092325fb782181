package greenlane_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms says which packages of this module, and which modules, each package may
// import beyond the standard library, and why. "module" stands for any module.
var rooms = []struct {
	path    string
	imports []string
	modules []string
	because string
}{
	{"greenlane", nil, nil, "vocabulary and rules: pure, the same on every backend"},
	{"greenlane/client", nil, nil, "users take it into their programs; its structs are the wire"},
	{"greenlane/internal/store", []string{"greenlane"}, nil, "a contract in the root's words"},
	{"greenlane/internal/store/sealed", []string{"greenlane/internal/store"}, nil, "over any backend: what it is given is sealed"},
	{"greenlane/internal/store/storetest", []string{"greenlane", "greenlane/internal/store", "greenlane/internal/store/backend"},
		[]string{"github.com/google/go-cmp", "pgregory.net/rapid"}, "the suite that every backend passes"},
	{"greenlane/internal/store/backend", []string{"greenlane", "greenlane/internal/store"},
		[]string{"github.com/klauspost/compress/s2"}, "what backends share: how values lie in columns, but no SQL"},
	{"greenlane/internal/store/sqlite", []string{"greenlane", "greenlane/internal/store", "greenlane/internal/store/backend"},
		[]string{"modernc.org/sqlite", "github.com/pressly/goose/v3"}, "one backend and its driver"},
	{"greenlane/internal/store/postgres", []string{"greenlane", "greenlane/internal/store", "greenlane/internal/store/backend"},
		[]string{"github.com/jackc/pgx/v5", "github.com/pressly/goose/v3"}, "another backend and its driver"},
	{"greenlane/internal/store/teststore", []string{"greenlane/internal/store", "greenlane/internal/store/pgtest",
		"greenlane/internal/store/postgres", "greenlane/internal/store/sqlite"}, []string{"github.com/jackc/pgx/v5/stdlib"}, "tests of what works on any backend"},
	{"greenlane/internal/store/pgtest", nil, []string{"github.com/jackc/pgx/v5"}, "tests' PostgreSQL: it knows no backend"},
	{"greenlane/internal/hub", []string{"greenlane", "greenlane/internal/store"}, nil, "the one write path"},
	{"greenlane/internal/node", []string{"greenlane", "greenlane/internal/store"}, nil, "who does what of several processes: it knows no work"},
	{"greenlane/internal/doctor", []string{"greenlane", "greenlane/internal/store", "greenlane/internal/store/sealed"}, nil,
		"judges the facts that any backend tells of itself"},
	{"greenlane/internal/migration", []string{"greenlane/internal/hub", "greenlane/internal/store"}, nil,
		"over any two backends, and judged by the hub's own check"},
	{"greenlane/internal/edi", nil, nil, "wire syntax only: it knows nothing of what a message means"},
	{"greenlane/internal/customs", []string{"greenlane", "greenlane/internal/edi"}, nil,
		"readers are pure: bytes in, commands out"},
	{"greenlane/internal/documents", []string{"greenlane"}, []string{"codeberg.org/go-pdf/fpdf"},
		"pure: a plan in, documents out, the same bytes anywhere"},
	{"greenlane/internal/filter", []string{"greenlane"}, []string{"cel.dev/cel-go", "github.com/go-json-experiment/json"},
		"pure: an expression and an event in, yes or no out, the same anywhere"},
	{"greenlane/internal/delivery", []string{"greenlane", "greenlane/internal/filter", "greenlane/internal/hub", "greenlane/internal/node", "greenlane/internal/store"},
		[]string{"github.com/go-json-experiment/json", "code.dny.dev/ssrf"}, "follows the log, writes through the hub"},
	{"greenlane/internal/delivery/deliverytest", []string{"greenlane/client"}, nil,
		"receivers that misbehave, and a judge who knows the hub only from outside"},
	{"greenlane/internal/reaction", []string{"greenlane", "greenlane/internal/hub", "greenlane/internal/store",
		"greenlane/internal/customs", "greenlane/internal/delivery", "greenlane/internal/documents"},
		[]string{"github.com/go-json-experiment/json", "github.com/wneessen/go-mail/smtp"},
		"outside effects after the commit, written back through the hub"},
	{"greenlane/internal/web", []string{"greenlane"}, nil, "an HTTP shell that knows no hub"},
	{"greenlane/internal/web/api", []string{"greenlane", "greenlane/internal/web", "greenlane/internal/hub",
		"greenlane/internal/store", "greenlane/internal/customs", "greenlane/internal/delivery", "greenlane/internal/reaction",
		"greenlane/internal/documents"},
		[]string{"github.com/danielgtaylor/huma/v2", "github.com/go-json-experiment/json"}, "the JSON API over everything it shows"},
	{"greenlane/cmd/greenlane", []string{"greenlane", "greenlane/client", "greenlane/internal/hub", "greenlane/internal/node", "greenlane/internal/store",
		"greenlane/internal/migration",
		"greenlane/internal/store/sealed", "greenlane/internal/store/sqlite", "greenlane/internal/store/postgres", "greenlane/internal/customs", "greenlane/internal/delivery",
		"greenlane/internal/doctor", "greenlane/internal/reaction", "greenlane/internal/web", "greenlane/internal/web/api"},
		[]string{"module"}, "wiring: the only package that sees all"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// TestImports holds the direction of dependencies: each package imports only
// what its room in the architecture allows.
func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	standard := map[string]bool{}
	seen := map[string]bool{}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for decoder.More() {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		seen[p.ImportPath] = true
		checkRoom(t, p, standard)
	}
	for _, r := range rooms {
		if !seen[r.path] {
			t.Errorf("the table has a room for %s, which does not exist", r.path)
		}
	}
}

func checkRoom(t *testing.T, p listed, standard map[string]bool) {
	i := slices.IndexFunc(rooms, func(r struct {
		path    string
		imports []string
		modules []string
		because string
	}) bool {
		return r.path == p.ImportPath
	})
	if i < 0 {
		t.Errorf("%s has no room in the table: say what it may import, and why", p.ImportPath)
		return
	}
	r := rooms[i]
	for _, path := range p.Imports {
		switch {
		case !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") && !strings.HasPrefix(path, "greenlane"):
			standard[path] = true
		case strings.HasPrefix(path, "greenlane"):
			if !slices.Contains(r.imports, path) {
				t.Errorf("%s imports %s; its room is: %s", p.ImportPath, path, r.because)
			}
		case !slices.ContainsFunc(r.modules, func(m string) bool {
			return m == "module" || path == m || strings.HasPrefix(path, m+"/")
		}):
			t.Errorf("%s imports %s from outside; its room is: %s", p.ImportPath, path, r.because)
		}
	}
}

// TestDependencies: every module that is required directly has its line in
// docs/dependencies.md, and no other module has one.
func TestDependencies(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct, _, _ := strings.Cut(string(mod), ")")
	_, direct, _ = strings.Cut(direct, "require (")
	var required []string
	for line := range strings.Lines(direct) {
		if fields := strings.Fields(line); len(fields) == 2 {
			required = append(required, fields[0])
			if !strings.Contains(string(page), "`"+fields[0]+"`") {
				t.Errorf("docs/dependencies.md does not say what %s is for", fields[0])
			}
		}
	}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cell, _, _ := strings.Cut(line[2:], " |")
		for name := range strings.SplitSeq(cell, ", ") {
			if name = strings.Trim(name, "`"); !slices.Contains(required, name) {
				t.Errorf("docs/dependencies.md has a line for %s, which go.mod does not require directly", name)
			}
		}
	}
}
