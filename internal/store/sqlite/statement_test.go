package sqlite

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// verb is how a statement begins.
var verb = regexp.MustCompile(`^(SELECT|INSERT|UPDATE|DELETE|BEGIN|COMMIT|ROLLBACK|PRAGMA|VACUUM)\b`)

// source is the package's own code, read to find every statement in it.
type source struct {
	constants map[string]ast.Expr
	// named are the literals inside constants.
	named map[*ast.BasicLit]bool
	files []*ast.File
}

func readSource(t *testing.T) *source {
	t.Helper()
	s := &source{constants: map[string]ast.Expr{}, named: map[*ast.BasicLit]bool{}}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, file)
		for _, d := range file.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.CONST {
				s.addConstants(d)
			}
		}
	}
	return s
}

func (s *source) addConstants(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, value := range spec.Values {
			s.constants[spec.Names[i].Name] = value
		}
	}
	ast.Inspect(d, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok {
			s.named[literal] = true
		}
		return true
	})
}

// text computes a constant made of literals, other constants and +.
func (s *source) text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.Ident:
		return s.text(s.constants[e.Name])
	case *ast.BinaryExpr:
		return s.text(e.X) + s.text(e.Y)
	}
	return ""
}

// statements returns every statement in the package's constants by its name,
// and those that are put together while running.
func statements(t *testing.T) map[string]string {
	t.Helper()
	s := readSource(t)
	all := map[string]string{}
	for name, value := range s.constants {
		if text := s.text(value); verb.MatchString(text) && !strings.Contains(text, "%s") && !strings.Contains(text, "%[") {
			all[name] = text
		}
	}
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && !s.named[literal] && verb.MatchString(s.text(literal)) {
				t.Errorf("the statement %s is not in a constant", literal.Value)
			}
			return true
		})
	}
	for _, table := range store.Tables() {
		name := "archive's " + table.Name
		all[name+" count"], all[name+" first"], all[name+" after"], all[name+" insert"] = archiveStatements(table)
	}
	for _, account := range []int64{0, 1} {
		for _, types := range []string{"", "[1]"} {
			for _, desc := range []bool{false, true} {
				name := "of account " + strconv.FormatInt(account, 10) + " types " + types + " desc " + strconv.FormatBool(desc)
				all["events "+name], _ = spanStatement(backend.Span{Account: account, Desc: desc}, selectEvents, types, 1, 0)
				all["positions "+name], _ = spanStatement(backend.Span{Account: account, Desc: desc}, selectEventPositions, types, 1, 0)
			}
		}
	}
	return all
}

// TestStatementsPrepare has SQLite read every statement against the schema.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	all := statements(t)
	for name, text := range all {
		s, err := db.conn.PrepareContext(t.Context(), text)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		s.Close()
	}
	if len(all) < 60 {
		t.Errorf("found only %d statements", len(all))
	}
}

// exceptions are the statements that read a whole table or sort what they have
// read, and why they may.
var exceptions = map[string]string{
	"selectEventTypes":            "a few dozen rows, once at opening",
	"selectAccounts":              "read as a whole, by contract",
	"selectKeys":                  "read as a whole, by contract",
	"selectEndpoints":             "read as a whole, by contract",
	"selectConfidentialEndpoints": "read as a whole at the start",
	"selectConfidentialRevisions": "read as a whole at the start",
	"selectOwnedSecrets":          "read as a whole at the start",
	"examineTables":               "a few dozen rows, once in an examination",
	"examineAges":                 "reads the first row",
	"examineDestinations":         "all of them are asked for, once in an examination",
	"examineMessages":             "those that are not applied are counted, once in an examination",
	"selectVersioned":             "looks at the schema, once at opening",
	"selectThings":                "looks at the schema, once before a move",
	"selectInhabited":             "reads the first row",
	"selectPositions":             "sorts a handful of chunks to put the row after them",
}

// TestNoFullScans: no other statement reads a table from end to end or sorts.
func TestNoFullScans(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	unused := maps.Clone(exceptions)
	for name, text := range statements(t) {
		for _, step := range plan(t, db, text) {
			if !slow(step) {
				continue
			}
			delete(unused, name)
			if strings.HasPrefix(name, "archive's ") && !strings.Contains(step, "TEMP B-TREE") && !strings.HasSuffix(name, " after") {
				continue // counts a table, or reads its first rows in the order they lie in
			}
			if exceptions[name] == "" {
				t.Errorf("%s: %s\n%s", name, step, text)
			}
		}
	}
	for name := range unused {
		t.Errorf("%s needs no exception", name)
	}
}

// slow reports whether a step of a plan takes time that grows with a table.
func slow(step string) bool {
	if strings.Contains(step, "TEMP B-TREE") {
		return true
	}
	// Lists given as JSON and limited subqueries are as long as the caller says.
	return strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW" &&
		!strings.Contains(step, "VIRTUAL TABLE") && !strings.HasPrefix(step, "SCAN (subquery-")
}

// TestIndexes names the index each of the larger reads must use.
func TestIndexes(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	all := statements(t)
	for name, want := range map[string]string{
		"events of account 0 types  desc false":    "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		"events of account 0 types [1] desc true":  "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		"events of account 1 types  desc false":    "SEARCH events USING INDEX events_by_account (account=? AND position>? AND position<?)",
		"events of account 1 types  desc true":     "SEARCH events USING INDEX events_by_account (account=? AND position>? AND position<?)",
		"events of account 1 types [1] desc false": "SEARCH events USING INDEX events_by_account (account=? AND position>? AND position<?)",
		"events of account 1 types [1] desc true":  "SEARCH events USING INDEX events_by_account (account=? AND position>? AND position<?)",
		"positions of account 1 types  desc false": "SEARCH events USING COVERING INDEX events_by_account (account=? AND position>? AND position<?)",
		"positions of account 1 types  desc true":  "SEARCH events USING COVERING INDEX events_by_account (account=? AND position>? AND position<?)",
		"selectSubject":           "SEARCH subjects USING INTEGER PRIMARY KEY (rowid=?)",
		"selectSubjectPage":       "SEARCH subjects USING INTEGER PRIMARY KEY (rowid>?)",
		"listSubjects":            "SEARCH subjects USING INDEX subjects_by_kind (account=? AND kind=? AND id<?)",
		"listSubjectsByClearance": "SEARCH subjects USING INDEX subjects_by_clearance (account=? AND kind=? AND clearance=? AND id<?)",
		"selectReferenced":        "SEARCH subject_references USING PRIMARY KEY (account=? AND kind=? AND value=?)",
		"selectMembers":           "SEARCH subjects USING COVERING INDEX subjects_by_consignment (consignment=?)",
		"selectPositions":         "SEARCH position_chunks USING PRIMARY KEY (subject=? AND last>?)",
		"listMessages":            "SEARCH messages USING INDEX messages_by_account (account=? AND number<?)",
		"listOpenMessages":        "SEARCH messages USING INDEX messages_open (account=? AND state=? AND number<?)",
		"selectMessageByDigest":   "SEARCH messages USING INDEX messages_by_digest (account=? AND digest=?)",
		"selectWaiting":           "SEARCH waiting_references USING PRIMARY KEY (account=? AND kind=? AND value=?)",
		"deleteWaiting":           "SEARCH waiting_references USING COVERING INDEX waiting_by_message (message=?)",
		"deleteAnswers":           "SEARCH answers USING COVERING INDEX answers_by_age (stored<?)",
		"selectAcknowledged":      "SEARCH attempts USING PRIMARY KEY (position>? AND position<?)",
		"selectAttempts":          "SEARCH attempts USING PRIMARY KEY (position=? AND endpoint=?)",
		"selectLatestAttempt":     "SEARCH attempts USING PRIMARY KEY (position=? AND endpoint=?)",
		"selectOldAttempts":       "SEARCH attempts USING PRIMARY KEY ((position,endpoint,generation,number)>(?,?,?,?) AND position<?)",
		"selectTallies":           "SEARCH tallies USING PRIMARY KEY (endpoint=? AND hour>? AND hour<?)",
		"deleteTallies":           "SEARCH tallies USING COVERING INDEX tallies_by_age (hour<?)",
		"selectLanes":             "SEARCH lanes USING PRIMARY KEY (endpoint=?)",
		"selectSkips":             "SEARCH skips USING INDEX skips_by_endpoint (endpoint=?)",
		"selectSecrets":           "SEARCH owned_secrets USING PRIMARY KEY (account=? AND owner=?)",
		"selectBlob":              "SEARCH blobs USING INDEX sqlite_autoindex_blobs_1 (account=? AND digest=?)",
	} {
		if all[name] == "" {
			t.Errorf("there is no statement %s", name)
			continue
		}
		steps := strings.Join(plan(t, db, all[name]), "\n")
		if !strings.Contains(steps, want) {
			t.Errorf("%s\n%s\nwant %s", name, steps, want)
		}
	}
}

// plan returns the steps in which SQLite would run a statement.
func plan(t *testing.T, db *DB, text string) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(text, "?"))
	rows, err := db.conn.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}
